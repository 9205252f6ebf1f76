#include "engine/ctl/progress.h"

#include <gtest/gtest.h>

namespace predictor::engine::ctl {
namespace {

TEST(Progress, a_file_has_a_bar_and_what_has_no_end_a_line) {
  EXPECT_EQ(progress_text("a.log", 0, 200, 0, 0),
            "a.log: [                              ] 0 %, 0 imported");
  EXPECT_EQ(progress_text("a.log", 100, 200, 7, 3),
            "a.log: [###############               ] 50 %, 3 imported");
  EXPECT_EQ(progress_text("a.log", 200, 200, 9, 5),
            "a.log: [##############################] 100 %, 5 imported");
  EXPECT_EQ(progress_text("standard input", 100, 0, 7, 3), "standard input: line 7, 3 imported");
  EXPECT_EQ(progress_text("a.zst", 900, 200, 70, 30), "a.zst: line 70, 30 imported");
}

}  // namespace
}  // namespace predictor::engine::ctl
