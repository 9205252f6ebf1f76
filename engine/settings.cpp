#include "engine/settings.h"

#include <sched.h>

#include <algorithm>
#include <functional>
#include <vector>

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "engine/opengauss/ca_folder.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

// One setting's place in Settings, and how its text is read.
struct Field {
  // Returns what is allowed if the text is not.
  std::function<std::optional<std::string>(Settings&, const std::string&)> apply;
  std::function<bool(const Settings&, const Settings&)> is_same;
  std::function<void(const Settings& from, Settings& to)> copy;
};

// `place` finds the value in settings; `read` turns a text into it, and says what is allowed if it
// cannot.
template <class Place, class Read>
Field field_at(Place place, Read read) {
  return {[=](Settings& settings, const std::string& text) { return read(text, place(settings)); },
          [=](const Settings& left, const Settings& right) { return place(left) == place(right); },
          [=](const Settings& from, Settings& to) { place(to) = place(from); }};
}

auto read_whole_number(uint64_t least, uint64_t most, uint64_t unit) {
  return [=](const std::string& text, auto& value) -> std::optional<std::string> {
    const auto number = parse_number(text, least, most);
    if (!number) {
      return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    }
    value = static_cast<std::decay_t<decltype(value)>>(*number * unit);
    return std::nullopt;
  };
}

template <class Number>
Field number(Number Settings::*field, uint64_t least, uint64_t most) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.*field; }, read_whole_number(least, most, 1));
}

template <class Number>
Field limit(Number Limits::*field, uint64_t least, uint64_t most, uint64_t unit = 1) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.limits.*field; },
      read_whole_number(least, most, unit));
}

Field seconds(Deadlines::Duration Deadlines::*field) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.deadlines.*field; },
      [](const std::string& text, auto& value) -> std::optional<std::string> {
        const auto number = parse_number(text, 1, 86400);
        if (!number) return "seconds from 1 to 86400";
        value = std::chrono::seconds(*number);
        return std::nullopt;
      });
}

template <class Text>
Field text(Text Settings::*field) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.*field; },
      [](const std::string& text, auto& value) -> std::optional<std::string> {
        value = text;
        return std::nullopt;
      });
}

Field boolean(bool Settings::*field) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.*field; },
      [](const std::string& text, bool& value) -> std::optional<std::string> {
        if (text != "true" && text != "false") return "true or false";
        value = text == "true";
        return std::nullopt;
      });
}

template <class Value>
struct Choice {
  const char* text;
  Value value;
};

template <class Value>
Field choice(Value Settings::*field, std::vector<Choice<Value>> choices) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.*field; },
      [=](const std::string& text, Value& value) -> std::optional<std::string> {
        std::string allowed = "one of";
        for (const Choice<Value>& one : choices) {
          if (text == one.text) {
            value = one.value;
            return std::nullopt;
          }
          allowed += std::string(" ") + one.text;
        }
        return allowed;
      });
}

Field device(std::string Settings::*field) {
  return field_at(
      [=](auto& settings) -> auto& { return settings.*field; },
      [](const std::string& text, std::string& value) -> std::optional<std::string> {
        const bool is_cuda =
            text.starts_with("cuda:") && parse_number(std::string_view(text).substr(5), 0, 255);
        if (text != "auto" && text != "cpu" && !is_cuda) return "auto, cpu or cuda:N";
        value = text;
        return std::nullopt;
      });
}

struct Entry {
  SettingInfo info;
  Field field;
};

const std::vector<Entry>& table() {
  static const std::vector<Entry> entries = {
      {{"listen", "address to listen on, HOST:PORT; port 0 takes a free one", false, true},
       text(&Settings::listen)},
      {{"data_dir", "directory for models, jobs and uploads", false, true},
       text(&Settings::data_dir)},
      {{"ca_dir", "directory with ca.crt, server.crt, server.key and perhaps ca.crl", false},
       text(&Settings::ca_dir)},
      {{"passphrase_command", "shell command that prints the passphrase of server.key", false},
       text(&Settings::passphrase_command)},
      {{"client_name", "name in a certificate that is the client: any (a single one), dns or uri",
        false},
       choice<NameKind>(
           &Settings::client_name,
           {{"any", NameKind::kAny}, {"dns", NameKind::kDns}, {"uri", NameKind::kUri}})},
      {{"client_purpose",
        "required: certificates must be made for clients; any: they may name no purpose", false},
       choice<ClientPurpose>(&Settings::client_purpose, {{"required", ClientPurpose::kRequired},
                                                         {"any", ClientPurpose::kAny}})},
      {{"port_file", "file to write HOST:PORT to once listening", false, true},
       text(&Settings::port_file)},
      {{"log_file", "file to log to instead of standard error", false, true},
       text(&Settings::log_file)},
      {{"log_level", "debug, info, warning or error", false},
       choice<std::string>(&Settings::log_level, {{"debug", "debug"},
                                                  {"info", "info"},
                                                  {"warning", "warning"},
                                                  {"error", "error"},
                                                  {"off", "off"}})},
      {{"io_threads", "threads for connections", false, true},
       number(&Settings::io_threads, 1, 64)},
      {{"threads", "threads for training; 0 is one per processor", false},
       number(&Settings::threads, 0, 1024)},
      {{"memory", "MB of memory that a training may use; 0 is no limit", false},
       number(&Settings::memory_mb, 0, 1 << 24)},
      {{"device", "what to train on: auto, cpu or cuda:N", false, true}, device(&Settings::device)},
      {{"training.concurrency", "jobs trained at the same time on a GPU; on a CPU it is one", false,
        true},
       number(&Settings::training_concurrency, 1, 64)},
      {{"predict_threads", "threads for predictions", false, true},
       number(&Settings::predict_threads, 1, 64)},
      {{"exit_with_stdin", "exit when standard input ends", true, true},
       boolean(&Settings::exit_with_stdin)},
      {{"limits.connections", "connections at the same time", false},
       limit(&Limits::connections, 1, 100000)},
      {{"limits.header_kb", "kB of a request's header", false},
       limit(&Limits::header_bytes, 1, 1024, 1024)},
      {{"limits.body_kb", "kB of a request's body that is no upload", false},
       limit(&Limits::body_bytes, 1, 65536, 1024)},
      {{"limits.predict_kb", "kB of plans in one prediction request", false},
       limit(&Limits::predict_bytes, 1, 1 << 20, 1024)},
      {{"limits.predict_plans", "plans in one prediction request", false},
       limit(&Limits::predict_plans, 1, 1000000)},
      {{"limits.predict_memory_mb", "MB of prediction requests in memory, all together", false},
       limit(&Limits::predict_memory_bytes, 1, 1 << 20, 1 << 20)},
      {{"limits.predict_queue", "prediction requests waiting", false, true},
       limit(&Limits::predict_queue, 1, 100000)},
      {{"limits.disk_queue", "other requests waiting", false, true},
       limit(&Limits::disk_queue, 1, 100000)},
      {{"limits.upload_mb", "MB of one upload", false},
       limit(&Limits::upload_bytes, 1, 1 << 20, 1 << 20)},
      {{"limits.uploads", "uploads at the same time", false}, limit(&Limits::uploads, 1, 1000)},
      {{"limits.queue", "jobs waiting", false}, limit(&Limits::queue, 1, 10000)},
      {{"limits.finished_jobs", "finished jobs remembered per namespace", false},
       limit(&Limits::finished_jobs, 1, 100000)},
      {{"limits.versions", "versions kept per model", false}, limit(&Limits::versions, 1, 1000)},
      {{"deadlines.handshake", "seconds for the TLS handshake", false},
       seconds(&Deadlines::handshake)},
      {{"deadlines.header", "seconds for a request's header", false}, seconds(&Deadlines::header)},
      {{"deadlines.body_idle", "seconds between two pieces of a body", false},
       seconds(&Deadlines::body_idle)},
      {{"deadlines.body", "seconds for a whole body", false}, seconds(&Deadlines::body)},
      {{"deadlines.request", "seconds that a request may wait to be worked on", false},
       seconds(&Deadlines::request)},
      {{"deadlines.response", "seconds for a client to take a response", false},
       seconds(&Deadlines::response)},
      {{"deadlines.idle", "seconds between two requests on a connection", false},
       seconds(&Deadlines::idle)},
      {{"deadlines.drain", "seconds for requests in flight when stopping", false},
       seconds(&Deadlines::drain)},
  };
  return entries;
}

Error bad_setting(const std::string& message) { return Error{"bad_setting", message, 400}; }

Failure apply_value(Settings& settings, const std::string& key, const toml::node& node) {
  if (const auto* text = node.as_string()) return apply_setting(settings, key, text->get());
  if (const auto* whole = node.as_integer()) {
    return apply_setting(settings, key, std::to_string(whole->get()));
  }
  if (const auto* boolean = node.as_boolean()) {
    return apply_setting(settings, key, boolean->get() ? "true" : "false");
  }
  return bad_setting("setting \"" + key + "\" must be a text, a whole number, true or false");
}

Failure apply_grants(Settings& settings, const toml::table& grants) {
  for (const auto& [key, node] : grants) {
    const std::string space(key.str());
    if (!is_plain_name(space)) {
      return bad_setting("namespace \"" + printable(space) +
                         "\" must consist of letters, digits, '.', '_' and '-'");
    }
    const toml::array* names = node.as_array();
    if (names == nullptr) {
      return bad_setting("namespaces." + space + " must be a list of client names");
    }
    for (const toml::node& name : *names) {
      const auto* text = name.as_string();
      if (text == nullptr || text->get().empty()) {
        return bad_setting("namespaces." + space + " must be a list of client names");
      }
      settings.grants[text->get()].insert(space);
    }
  }
  return std::nullopt;
}

Failure apply_table(Settings& settings, const toml::table& content) {
  for (const auto& [key_view, node] : content) {
    const std::string key(key_view.str());
    const toml::table* inner = node.as_table();
    if (inner == nullptr) {
      if (Failure failure = apply_value(settings, key, node)) return failure;
    } else if (key == "namespaces") {
      if (Failure failure = apply_grants(settings, *inner)) return failure;
    } else {
      for (const auto& [inner_key, value] : *inner) {
        const std::string whole_key = key + "." + std::string(inner_key.str());
        if (Failure failure = apply_value(settings, whole_key, value)) return failure;
      }
    }
  }
  return std::nullopt;
}

int usable_processors() {
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0) return 1;
  return std::max(1, CPU_COUNT(&usable));
}

}  // namespace

std::span<const SettingInfo> all_settings() {
  static const std::vector<SettingInfo> infos = [] {
    std::vector<SettingInfo> list;
    for (const Entry& entry : table()) list.push_back(entry.info);
    return list;
  }();
  return infos;
}

std::string option_name(const SettingInfo& setting) {
  std::string name = std::string("--") + setting.key;
  for (char& c : name) {
    if (c == '_' || c == '.') c = '-';
  }
  return name;
}

std::string environment_name(const SettingInfo& setting) {
  std::string name = std::string("PREDICTORD_") + setting.key;
  for (char& c : name) {
    if (c == '.') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return name;
}

Failure apply_setting(Settings& settings, const std::string& key, const std::string& text) {
  // Its name where the settings of certificates have a table of their own.
  if (key == "ssl.ca_dir") return apply_setting(settings, "ca_dir", text);
  for (const Entry& entry : table()) {
    if (key != entry.info.key) continue;
    if (const auto allowed = entry.field.apply(settings, text)) {
      return bad_setting("setting \"" + key + "\" must be " + *allowed + ", not \"" +
                         printable(text) + "\"");
    }
    return std::nullopt;
  }
  return bad_setting("unknown setting \"" + printable(key) +
                     "\"; `predictord serve --help` lists the settings");
}

Settings merge_settings(const Settings& running, Settings wanted,
                        std::vector<std::string>& unchanged) {
  for (const Entry& entry : table()) {
    if (!entry.info.needs_restart || entry.field.is_same(running, wanted)) continue;
    unchanged.push_back(entry.info.key);
    entry.field.copy(running, wanted);
  }
  return wanted;
}

Failure read_settings_file(Settings& settings, const std::filesystem::path& path) {
  try {
    const toml::table content = toml::parse_file(path.string());
    if (Failure failure = apply_table(settings, content)) {
      failure->message = path.string() + ": " + failure->message;
      return failure;
    }
  } catch (const toml::parse_error& problem) {
    return bad_setting(path.string() + ", line " + std::to_string(problem.source().begin.line) +
                       ": " + std::string(problem.description()));
  }
  return std::nullopt;
}

Failure complete_settings(Settings& settings) {
  if (settings.data_dir.empty()) {
    return bad_setting("data_dir is not set; name a directory with --data-dir");
  }
  if (settings.ca_dir.empty()) {
    return bad_setting(
        "ca_dir is not set; name the directory with ca.crt, server.crt and server.key with "
        "--ca-dir (predictor-certs makes them)");
  }
  settings.is_opengauss_ca = opengauss::is_ca_folder(settings.ca_dir);
  if (settings.threads == 0) settings.threads = std::min(usable_processors(), 16);
  return std::nullopt;
}

}  // namespace predictor::engine
