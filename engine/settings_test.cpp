// Settings, the command line, and the small texts they are made of.
#include "engine/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "engine/command_line.h"
#include "engine/command_serve.h"
#include "engine/record_stream.h"
#include "engine/support_test.h"
#include "engine/text.h"

namespace predictor::engine::test {
namespace {

class SettingsTest : public ::testing::Test {
 protected:
  std::string problem_of(const std::string& content) {
    std::ofstream(file_) << content;
    const Failure failure = read_settings_file(settings_, file_);
    return failure ? failure->message : "";
  }
  CommandLine parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "predictord");
    return read_command_line(static_cast<int>(arguments.size()), arguments.data());
  }

  TemporaryDirectory directory_;
  const std::string file_ = (directory_.path() / "predictord.toml").string();
  Settings settings_;
};

TEST_F(SettingsTest, a_file_sets_every_kind) {
  EXPECT_EQ(
      problem_of("listen = '0.0.0.0:1'\nthreads = 3\nexit_with_stdin = true\n"
                 "[limits]\nupload_mb = 2\n[deadlines]\nidle = 7\n"
                 "[namespaces]\nsales = ['db1.example', 'db2.example']\nshop = ['db1.example']"),
      "");
  EXPECT_EQ(settings_.listen, "0.0.0.0:1");
  EXPECT_EQ(settings_.threads, 3);
  EXPECT_TRUE(settings_.exit_with_stdin);
  EXPECT_EQ(settings_.limits.upload_bytes, uint64_t{2} << 20);
  EXPECT_EQ(settings_.deadlines.idle, std::chrono::seconds(7));
  EXPECT_EQ(settings_.grants.at("db1.example"), (std::set<std::string>{"sales", "shop"}));
}

TEST_F(SettingsTest, what_is_not_a_setting_is_refused) {
  EXPECT_NE(problem_of("colour = 'red'").find("unknown setting \"colour\""), std::string::npos);
  EXPECT_NE(problem_of("[limits]\ncolour = 1").find("limits.colour"), std::string::npos);
  EXPECT_NE(problem_of("threads = -1").find("whole number"), std::string::npos);
  EXPECT_NE(problem_of("threads = 1.5").find("threads"), std::string::npos);
  EXPECT_NE(problem_of("[namespaces]\n'../x' = ['db1']").find("namespace"), std::string::npos);
  EXPECT_NE(problem_of("[namespaces]\nsales = 'db1'").find("list"), std::string::npos);
  EXPECT_NE(problem_of("a = 1\n= 2").find("line 2"), std::string::npos);
}

TEST_F(SettingsTest, the_certificates_directory_may_stand_in_table_ssl) {
  EXPECT_EQ(problem_of("data_dir = 'a'\n[ssl]\nca_dir = '/path/to/CA'"), "");
  EXPECT_EQ(settings_.ca_dir, "/path/to/CA");
}

TEST_F(SettingsTest, command_line_wins_over_environment_over_file) {
  std::ofstream(file_) << "data_dir = 'a'\nca_dir = 'a'\nport_file = 'a'\nthreads = 1";
  ::setenv("PREDICTORD_CA_DIR", "b", 1);
  ::setenv("PREDICTORD_PORT_FILE", "b", 1);
  const CommandLine line =
      parse({"serve", "--config", file_.c_str(), "--port-file", "c", "--exit-with-stdin"});
  ::unsetenv("PREDICTORD_CA_DIR");
  ::unsetenv("PREDICTORD_PORT_FILE");
  ASSERT_EQ(line.name, "serve");
  const Settings& settings = dynamic_cast<const ServeCommand&>(*line.command).settings();
  EXPECT_EQ(settings.data_dir, "a");
  EXPECT_EQ(settings.ca_dir, "b");
  EXPECT_EQ(settings.port_file, "c");
  EXPECT_EQ(settings.threads, 1);
  EXPECT_TRUE(settings.exit_with_stdin);
}

TEST_F(SettingsTest, every_setting_is_documented_and_in_the_example_file) {
  const std::filesystem::path root = PREDICTOR_SOURCE_DIR;
  const auto content_of = [](const std::filesystem::path& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::filesystem::path example = root / "engine/systemd/predictord.toml";
  const std::string manual = content_of(root / "docs/engine.md");
  std::string all = content_of(example);
  for (const SettingInfo& setting : all_settings()) {
    const std::string key = setting.key;
    const std::string last = key.substr(key.rfind('.') + 1);
    const size_t line = manual.find("| `" + key + "` |");
    ASSERT_NE(line, std::string::npos) << key;
    const size_t end = manual.find('\n', line);
    EXPECT_EQ(manual.substr(line, end - line).ends_with("| restart |"), setting.needs_restart)
        << key << ": the manual says another thing about SIGHUP";
    EXPECT_NE(all.find(last + " = "), std::string::npos) << key;
  }
  EXPECT_EQ(problem_of(all), "");
  EXPECT_EQ(settings_.data_dir, "/var/lib/predictord");
  // Also with everything that stands there as a comment, which are the defaults.
  for (size_t at = 0; (at = all.find("\n#", at)) != std::string::npos; at++) {
    if (all[at + 2] != ' ') all.erase(at + 1, 1);
  }
  Settings defaults;
  EXPECT_EQ(problem_of(all), "");
  EXPECT_EQ(settings_.limits.upload_bytes, defaults.limits.upload_bytes);
  EXPECT_EQ(settings_.limits.predict_memory_bytes, defaults.limits.predict_memory_bytes);
  EXPECT_EQ(settings_.deadlines.idle, defaults.deadlines.idle);
  EXPECT_EQ(settings_.io_threads, defaults.io_threads);
}

TEST_F(SettingsTest, what_needs_a_restart_stays_as_it_is_and_is_named) {
  Settings wanted;
  wanted.listen = "0.0.0.0:1";
  wanted.io_threads = 7;
  wanted.limits.predict_queue = 7;
  wanted.limits.queue = 7;
  wanted.memory_mb = 7;
  wanted.deadlines.idle = std::chrono::seconds(7);
  wanted.grants["db1"] = {"sales"};
  std::vector<std::string> unchanged;
  const Settings merged = merge_settings(settings_, wanted, unchanged);
  EXPECT_EQ(unchanged, (std::vector<std::string>{"listen", "io_threads", "limits.predict_queue"}));
  EXPECT_EQ(merged.listen, settings_.listen);
  EXPECT_EQ(merged.io_threads, settings_.io_threads);
  EXPECT_EQ(merged.limits.predict_queue, settings_.limits.predict_queue);
  EXPECT_EQ(merged.limits.queue, 7u);
  EXPECT_EQ(merged.memory_mb, 7u);
  EXPECT_EQ(merged.deadlines.idle, std::chrono::seconds(7));
  EXPECT_EQ(merged.grants, wanted.grants);
}

TEST_F(SettingsTest, mistakes_on_the_command_line_end_with_status_2) {
  for (const std::vector<const char*>& arguments : std::vector<std::vector<const char*>>{
           {},
           {"dance"},
           {"serve"},
           {"serve", "--data-dir", "a"},
           {"serve", "--colour", "red"},
           {"serve", "--data-dir", "a", "--ca-dir", "b", "--threads", "many"},
           {"train", "--input", "a"},
           {"inspect"}}) {
    const CommandLine line = parse(arguments);
    EXPECT_EQ(line.command, nullptr);
    EXPECT_EQ(line.exit_status, 2);
  }
  EXPECT_EQ(parse({"serve", "--help"}).exit_status, 0);
  EXPECT_EQ(parse({"version"}).name, "version");
}

TEST(TextTest, only_names_and_uuids_become_paths) {
  EXPECT_EQ(canonical_uuid("0AAAAAAA-0000-4000-8000-000000000001"),
            "0aaaaaaa-0000-4000-8000-000000000001");
  for (const char* text :
       {"", "..", "00000000-0000-4000-8000-00000000000", "x",
        "00000000-0000-4000-8000-0000000000/1", "00000000_0000-4000-8000-000000000001"}) {
    EXPECT_FALSE(canonical_uuid(text)) << text;
  }
  EXPECT_TRUE(is_plain_name("db-1.example_2"));
  for (const char* text : {"", ".", "..", ".hidden", "a/b", "a b", "-x", "a\n", "\xc3\xa4"}) {
    EXPECT_FALSE(is_plain_name(text)) << text;
  }
  EXPECT_FALSE(is_plain_name(std::string(201, 'a')));
  EXPECT_EQ(parse_number("007", 1, 10), 7u);
  for (const char* text : {"", "+1", "-1", "1 ", " 1", "1x", "11", "0", "99999999999999999999"}) {
    EXPECT_FALSE(parse_number(text, 1, 10)) << text;
  }
  EXPECT_EQ(percent_decode("a%2Fb"), "a/b");
  EXPECT_FALSE(percent_decode("a%2"));
  EXPECT_EQ(printable("a\nb\x1b[1m"), "a?b?[1m");
}

TEST(RecordStreamTest, pieces_may_end_anywhere) {
  const std::string stream = sample_stream(5);
  const auto bytes = std::as_bytes(std::span(stream.data(), stream.size()));
  const size_t record_size = (stream.size() - kStreamHeaderSize) / 5;
  for (size_t cut = 0; cut <= bytes.size(); cut++) {
    int count = 0;
    RecordStream reader([&](OwnedRecord&) { count++; });
    EXPECT_FALSE(reader.feed(bytes.first(cut)));
    // Whole only after a record; the five are of one size.
    const size_t whole = kStreamHeaderSize + static_cast<size_t>(count) * record_size;
    EXPECT_EQ(!reader.finish(), count > 0 && cut == whole) << cut;
    EXPECT_FALSE(reader.feed(bytes.subspan(cut)));
    EXPECT_FALSE(reader.finish());
    EXPECT_EQ(count, 5);
  }
}

TEST(RecordStreamTest, a_lying_length_does_not_make_it_wait_for_ever) {
  std::string stream = sample_stream(1);
  stream[kStreamHeaderSize + 3] = '\x7f';
  stream.resize(encoded_size(PREDICTOR_MAX_NODES) + kStreamHeaderSize, '\0');
  RecordStream reader([](OwnedRecord&) {});
  EXPECT_TRUE(reader.feed(std::as_bytes(std::span(stream.data(), stream.size()))));
}

}  // namespace
}  // namespace predictor::engine::test
