#include "engine/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "engine/text.h"

namespace predictor::engine {
namespace {

constexpr size_t kLineLimit = 4000;

void write(spdlog::level::level_enum level, const std::string& message) {
  spdlog::log(level, printable(message, kLineLimit));
}

}  // namespace

Failure open_log(const std::string& file, const std::string& level) {
  const spdlog::level::level_enum threshold = spdlog::level::from_str(level);
  if (threshold == spdlog::level::off && level != "off") {
    return Error{"bad_setting",
                 "log_level \"" + level + "\" is not one of debug, info, warning, error"};
  }
  try {
    spdlog::sink_ptr sink;
    if (file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    }
    auto logger = std::make_shared<spdlog::logger>("predictord", sink);
    logger->set_level(threshold);
    logger->flush_on(spdlog::level::info);
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %z [%P] %l: %v");
    spdlog::set_default_logger(logger);
  } catch (const spdlog::spdlog_ex& problem) {
    return Error{"log_file", std::string("could not open the log file: ") + problem.what()};
  }
  return std::nullopt;
}

void set_log_level(const std::string& level) {
  spdlog::default_logger_raw()->set_level(spdlog::level::from_str(level));
}

std::string log_level() {
  const auto text = spdlog::level::to_string_view(spdlog::default_logger_raw()->level());
  return {text.data(), text.size()};
}

void log_debug(const std::string& message) { write(spdlog::level::debug, message); }
void log_info(const std::string& message) { write(spdlog::level::info, message); }
void log_warning(const std::string& message) { write(spdlog::level::warn, message); }
void log_error(const std::string& message) { write(spdlog::level::err, message); }

}  // namespace predictor::engine
