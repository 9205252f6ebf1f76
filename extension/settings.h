/*
 * settings.h - the GUCs; what each is for stands in settings.c and in pg_settings.
 */
#ifndef PREDICTOR_SETTINGS_H
#define PREDICTOR_SETTINGS_H

#include "postgres.h"

typedef enum CaptureLevel
{
	CAPTURE_OFF,
	CAPTURE_STATEMENT,			/* plans and total times */
	CAPTURE_ROWS,				/* and, for sampled statements, rows of each node */
	CAPTURE_OPERATORS			/* and, for sampled statements, times of each node */
} CaptureLevel;

typedef enum TrackLevel
{
	TRACK_TOP,
	TRACK_ALL
} TrackLevel;

typedef enum LimitAction
{
	LIMIT_LOG,
	LIMIT_WARNING,
	LIMIT_ERROR
} LimitAction;

typedef enum ExplainStyle
{
	EXPLAIN_OUR_WAY,
	EXPLAIN_LIKE_OPENGAUSS
} ExplainStyle;

extern bool predictor_enabled;
extern int	predictor_capture;
extern int	predictor_track;
extern double predictor_operator_sample_rate;
extern double predictor_min_duration;	/* ms */
extern int	predictor_max_captures_per_second;
extern int	predictor_max_plans;
extern int	predictor_fail_allocations;	/* see allocate.h */
extern int	predictor_ring_size;	/* kB */
extern int	predictor_queue_size;	/* kB */
extern int	predictor_max_workers;
extern int	predictor_flush_interval;	/* ms */
extern int	predictor_max_history;	/* records per database */
extern int	predictor_retention;	/* minutes; 0: no limit */
extern int	predictor_training_plans;
extern int	predictor_max_trainings;
extern bool predictor_auto_train;
extern char *predictor_default_model;
extern bool predictor_predict_all;
extern bool predictor_live_calibration;
extern double predictor_max_predicted_time;	/* ms; 0: no limit */
extern double predictor_limit_quantile;
extern int	predictor_limit_action;
extern bool predictor_limit_unreliable;
extern bool predictor_limit_nested;
extern bool predictor_limit_superusers;
extern char *predictor_engine_url;
extern char *predictor_engine_program;
extern int	predictor_explain_style;
extern bool predictor_opengauss_capture;
extern char *predictor_opengauss_engines;
extern char *predictor_ssl_ca_file;
extern char *predictor_ssl_crl_file;
extern char *predictor_ssl_cert_file;
extern char *predictor_ssl_key_file;
extern char *predictor_ssl_passphrase_command;
extern int	predictor_connect_timeout;	/* ms */
extern int	predictor_engine_idle_timeout;	/* s */
extern int	predictor_engine_threads;
extern int	predictor_engine_memory;	/* MB */

/* Defines them all; the ones that need shared memory only while preloading. */
extern void settings_define(void);

#endif
