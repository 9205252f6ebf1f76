#include "engine/opengauss/model_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace predictor::engine::opengauss {
namespace {

using nlohmann::json;

// What the kernel sends, noise of float4 included.
json kernel_request() {
  return {{"template_name", "rlstm"},
          {"model_name", "open_ai"},
          {"max_epoch", 2000},
          {"learning_rate", 0.0099999997764825821},
          {"dim_red", -1},
          {"hidden_units", 64},
          {"batch_size", 512},
          {"labels", "TS"}};
}

char letter(const json& request) {
  ModelConfig config;
  return read_model_config(request, config).letter;
}

char letter_with(const std::string& key, const json& value) {
  json request = kernel_request();
  request[key] = value;
  return letter(request);
}

TEST(ModelConfig, what_the_kernel_sends_is_read) {
  ModelConfig config;
  ASSERT_EQ(read_model_config(kernel_request(), config).letter, '0');
  EXPECT_EQ(config.model_name, "open_ai");
  EXPECT_EQ(config.max_epoch, 2000);
  EXPECT_EQ(config.learning_rate, 0.01);
  EXPECT_EQ(config.dim_red, -1);
  EXPECT_EQ(config.hidden_units, 64);
  EXPECT_EQ(config.batch_size, 512);
  EXPECT_EQ(config.labels, "ST");
}

TEST(ModelConfig, only_name_and_labels_are_needed) {
  ModelConfig config;
  ASSERT_EQ(read_model_config({{"model_name", "m"}, {"labels", "R"}}, config).letter, '0');
  EXPECT_EQ(config.max_epoch, 500);
  EXPECT_EQ(config.hidden_units, 50);
  EXPECT_EQ(letter({{"labels", "R"}}), 'M');
  EXPECT_EQ(letter({{"model_name", "m"}}), 'M');
  EXPECT_EQ(letter(json::object()), 'M');
}

TEST(ModelConfig, unknown_keys_are_told_apart_from_bad_values) {
  EXPECT_EQ(letter_with("modelName", "m"), 'I');
  EXPECT_EQ(letter(json::array()), 'F');
  EXPECT_EQ(letter("text"), 'F');
}

TEST(ModelConfig, numbers_have_ranges) {
  for (const char* key : {"max_epoch", "hidden_units", "batch_size"}) {
    EXPECT_EQ(letter_with(key, 0), 'F') << key;
    EXPECT_EQ(letter_with(key, -1), 'F') << key;
    EXPECT_EQ(letter_with(key, 1e300), 'F') << key;
    EXPECT_EQ(letter_with(key, "12"), '0') << key;
    EXPECT_EQ(letter_with(key, "twelve"), 'F') << key;
    EXPECT_EQ(letter_with(key, json::array()), 'F') << key;
    EXPECT_EQ(letter_with(key, nullptr), 'F') << key;
  }
  EXPECT_EQ(letter_with("learning_rate", 0.004), 'F');
  EXPECT_EQ(letter_with("learning_rate", 0.005), '0');
  EXPECT_EQ(letter_with("learning_rate", "nan"), 'F');
  EXPECT_EQ(letter_with("dim_red", 0), 'F');
  EXPECT_EQ(letter_with("dim_red", 0.95), '0');
  EXPECT_EQ(letter_with("dim_red", -0.5), 'F');
  EXPECT_EQ(letter_with("dim_red", 1.5), 'F');
  EXPECT_EQ(letter_with("template_name", "tree"), 'F');
}

TEST(ModelConfig, labels_are_a_set) {
  ModelConfig config;
  json request = kernel_request();
  request["labels"] = "MxRTS";
  ASSERT_EQ(read_model_config(request, config).letter, '0');
  EXPECT_EQ(config.labels, "STRM");
  EXPECT_EQ(letter_with("labels", "TT"), 'F');
  EXPECT_EQ(letter_with("labels", ""), 'F');
  EXPECT_EQ(letter_with("labels", "x"), 'F');
  EXPECT_EQ(letter_with("labels", 7), 'F');
}

TEST(ModelConfig, names_are_text_of_63_bytes) {
  EXPECT_TRUE(is_model_name("../../etc/passwd"));  // odd, and harmless
  EXPECT_TRUE(is_model_name("模型"));
  EXPECT_TRUE(is_model_name(std::string(63, 'x')));
  EXPECT_FALSE(is_model_name(""));
  EXPECT_FALSE(is_model_name(std::string(64, 'x')));
  EXPECT_FALSE(is_model_name(std::string(300, 'x')));
  EXPECT_FALSE(is_model_name(std::string("a\0b", 3)));
  EXPECT_FALSE(is_model_name("a\nb"));
  EXPECT_FALSE(is_model_name("\xff\xfe"));
  EXPECT_FALSE(is_model_name("\xc0\xaf"));          // an overlong '/'
  EXPECT_FALSE(is_model_name("\xed\xa0\x80"));      // half of a surrogate pair
  EXPECT_FALSE(is_model_name("\xf4\x90\x80\x80"));  // beyond Unicode
  EXPECT_FALSE(is_model_name("abc\xe6\xa8"));       // cut off
}

TEST(ModelConfig, no_name_leads_a_path_astray) {
  std::set<std::string> seen;
  for (const char* name :
       {"m", "M", "../m", "..", ".", "a/b", "a_b", "模型", "模式", "-rf", "CON"}) {
    const std::string directory = model_directory_name(name);
    EXPECT_TRUE(seen.insert(directory).second) << name;
    EXPECT_EQ(directory.find_first_not_of(
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."),
              std::string::npos);
    EXPECT_EQ(directory.find(".."), std::string::npos);
    EXPECT_LT(directory.size(), 64U);
  }
}

}  // namespace
}  // namespace predictor::engine::opengauss
