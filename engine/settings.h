// settings.h - what can be configured, with its defaults.
//
// Every setting has one key, from which its other names follow: the key "limits.upload_mb" is
// upload_mb in table [limits] of the TOML file, PREDICTORD_LIMITS_UPLOAD_MB in the environment and
// --limits-upload-mb on the command line. The command line wins over the environment, and the
// environment over the file. The table of all of them is in settings.cpp.
#ifndef PREDICTOR_ENGINE_SETTINGS_H
#define PREDICTOR_ENGINE_SETTINGS_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"

namespace predictor::engine {

struct Limits {
  size_t connections = 512;
  size_t header_bytes = 16 << 10;
  size_t body_bytes = 64 << 10;  // of requests that take none
  size_t predict_bytes = 4 << 20;
  size_t predict_plans = 1000;
  size_t predict_memory_bytes = 256 << 20;  // of all bodies of predictions together
  size_t predict_queue = 256;               // predictions waiting
  size_t disk_queue = 256;                  // other requests waiting for the disk
  uint64_t upload_bytes = uint64_t{1} << 30;
  size_t uploads = 4;          // at the same time
  size_t queue = 16;           // jobs waiting
  size_t finished_jobs = 256;  // remembered, per namespace
  size_t versions = 10;        // kept, per model
};

struct Deadlines {
  using Duration = std::chrono::milliseconds;
  Duration handshake = std::chrono::seconds(10);
  Duration header = std::chrono::seconds(10);
  Duration body_idle = std::chrono::seconds(30);  // between two pieces of a body
  Duration body = std::chrono::minutes(15);       // the whole body
  Duration request = std::chrono::seconds(30);    // until work on a request begins
  Duration response = std::chrono::seconds(60);
  Duration idle = std::chrono::minutes(5);  // between two requests
  Duration drain = std::chrono::seconds(10);
};

// Which subject alternative names of a client's certificate can be its identity.
enum class NameKind { kAny, kDns, kUri };

// Whether a client's certificate must say that it is made for clients.
enum class ClientPurpose { kRequired, kAny };

struct Settings {
  std::string listen = "127.0.0.1:8443";
  std::filesystem::path data_dir;
  std::filesystem::path ca_dir;
  // Whether ca_dir was made for openGauss (opengauss/ca_folder.h): other files, other rules.
  bool is_opengauss_ca = false;
  std::string passphrase_command;  // prints the passphrase of server.key
  NameKind client_name = NameKind::kAny;
  ClientPurpose client_purpose = ClientPurpose::kRequired;
  std::filesystem::path port_file;
  std::string log_file;
  std::string log_level = "info";
  int io_threads = 2;
  int threads = 1;  // for training; more pay off only where no one else computes
  int predict_threads = 1;
  uint64_t memory_mb = 0;  // of each training; 0: not limited
  std::string device = "auto";
  int training_concurrency = 1;  // on a GPU; on a CPU it is one
  bool exit_with_stdin = false;
  Limits limits;
  Deadlines deadlines;
  // Client name -> namespaces it may use. Empty: every name has the namespace of its own name.
  std::map<std::string, std::set<std::string>> grants;
};

struct SettingInfo {
  const char* key;
  const char* help;
  bool is_switch;              // on the command line it takes no value
  bool needs_restart = false;  // SIGHUP does not change it
};

std::span<const SettingInfo> all_settings();
std::string option_name(const SettingInfo& setting);
std::string environment_name(const SettingInfo& setting);

// Changes one setting; the error names the key and what is allowed.
Failure apply_setting(Settings& settings, const std::string& key, const std::string& text);

// What a running server goes on with when its settings are read again: `wanted`, but for what needs
// a restart, which stays as it is; the keys of what would have changed are added to `unchanged`.
Settings merge_settings(const Settings& running, Settings wanted,
                        std::vector<std::string>& unchanged);

// Applies a TOML file; a key that is not a setting is an error.
Failure read_settings_file(Settings& settings, const std::filesystem::path& path);

// What `serve` needs, once everything has been applied; fills in what depends on the machine.
Failure complete_settings(Settings& settings);

}  // namespace predictor::engine

#endif
