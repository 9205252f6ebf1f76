/*
 * certificate_dates.h - when certificates and revocation lists end. A noexcept border like
 * engine_http.h: nothing raises or calls back into PostgreSQL; files are read, nothing waits.
 */
#ifndef PREDICTOR_CERTIFICATE_DATES_H
#define PREDICTOR_CERTIFICATE_DATES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#define DATES_NOEXCEPT noexcept
#else
#define DATES_NOEXCEPT
#endif

/*
 * Seconds since 1970; false if there is none of its kind in the file.
 *  - a certificate: of the first in the file, which is its owner's
 *  - authorities: of the one that lasts longest, since while two overlap one of them may end
 *  - revocation lists: of the one that ends first, since from then on its authority's certificates
 *    are refused
 */
extern bool certificate_end(const char *file, int64_t *end) DATES_NOEXCEPT;
extern bool authorities_end(const char *file, int64_t *end) DATES_NOEXCEPT;
extern bool revocation_lists_end(const char *file, int64_t *end) DATES_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif
