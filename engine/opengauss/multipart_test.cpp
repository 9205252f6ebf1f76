#include "engine/opengauss/multipart.h"

#include <gtest/gtest.h>

#include <string>

namespace predictor::engine::opengauss {
namespace {

constexpr char kBoundary[] = "------------------------0123456789abcdef";

std::string part(const std::string& disposition, const std::string& content) {
  return std::string("--") + kBoundary + "\r\nContent-Disposition: form-data; " + disposition +
         "\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n";
}

const std::string kEnd = std::string("--") + kBoundary + "--\r\n";

// The file found in `body` when it comes in pieces of so many bytes; "-" if there is none.
std::string file_in(const std::string& body, size_t piece, std::string* problem = nullptr,
                    size_t limit = 1 << 20) {
  MultipartFile file(kBoundary, "file", limit);
  for (size_t at = 0; at < body.size(); at += piece) {
    const std::string_view bytes = std::string_view(body).substr(at, piece);
    if (Failure failure = file.write(std::as_bytes(std::span(bytes)))) {
      if (problem != nullptr) *problem = failure->code;
      return "-";
    }
  }
  if (Failure failure = file.finish()) {
    if (problem != nullptr) *problem = failure->code;
    return "-";
  }
  return file.take().value_or("-");
}

TEST(Multipart, boundary_is_found_in_the_content_type) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data; charset=x; boundary=\"a;b c\""), "a;b c");
  EXPECT_FALSE(multipart_boundary("application/json"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary="));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=\"abc"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
}

TEST(Multipart, file_is_the_same_in_pieces_of_any_size) {
  const std::string content = "1, 1, 0, 1.000 0 , 0, 0, 0, 0\n\r\n--not the boundary\r\n-\r\n";
  const std::string body =
      part("name=\"file\"; filename=\"gs_encoding.csv-2020-01-01 00:00:00.0+08\"", content) + kEnd;
  for (size_t piece = 1; piece <= body.size(); piece++) {
    ASSERT_EQ(file_in(body, piece), content) << piece;
  }
}

TEST(Multipart, other_parts_are_skipped_and_the_first_of_the_name_is_taken) {
  const std::string body = "preamble\r\n" + part("name=\"other\"", "x") +
                           part("name=\"file\"", "first") + part("name=\"file\"", "second") + kEnd;
  EXPECT_EQ(file_in(body, 7), "first");
  EXPECT_EQ(file_in(part("name=\"other\"", "x") + kEnd, 7), "-");
}

TEST(Multipart, an_empty_file_is_a_file) {
  EXPECT_EQ(file_in(part("name=\"file\"", "") + kEnd, 3), "");
}

TEST(Multipart, what_is_cut_off_is_refused) {
  const std::string body = part("name=\"file\"", "content") + kEnd;
  std::string problem;
  EXPECT_EQ(file_in(body.substr(0, body.size() - 6), 5, &problem), "-");
  EXPECT_EQ(problem, "bad_multipart");
  EXPECT_EQ(file_in("", 5, &problem), "-");
  EXPECT_EQ(problem, "bad_multipart");
}

TEST(Multipart, nothing_grows_without_bound) {
  std::string problem;
  file_in(std::string(100000, 'x'), 1000, &problem);
  EXPECT_EQ(problem, "bad_multipart");
  problem.clear();
  file_in(std::string("--") + kBoundary + "\r\n" + std::string(100000, 'x'), 1000, &problem);
  EXPECT_EQ(problem, "bad_multipart");
  problem.clear();
  file_in(std::string("--") + kBoundary + std::string(100000, 'x'), 1000, &problem);
  EXPECT_EQ(problem, "bad_multipart");
  problem.clear();
  file_in(part("name=\"file\"", std::string(5000, 'x')) + kEnd, 1000, &problem, 4999);
  EXPECT_EQ(problem, "body_too_large");
}

}  // namespace
}  // namespace predictor::engine::opengauss
