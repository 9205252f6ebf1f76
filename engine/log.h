// log.h - the engine's log: one line per event, to stderr or to a file. Thread-safe.
//
// spdlog stays behind this header, so that its templates are compiled once. Control characters in a
// message are replaced, so that what a client sends cannot imitate a line.
#ifndef PREDICTOR_ENGINE_LOG_H
#define PREDICTOR_ENGINE_LOG_H

#include <string>

#include "engine/error.h"

namespace predictor::engine {

// `file` empty: standard error. `level`: debug, info, warning or error.
Failure open_log(const std::string& file, const std::string& level);

void set_log_level(const std::string& level);
std::string log_level();

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

}  // namespace predictor::engine

#endif
