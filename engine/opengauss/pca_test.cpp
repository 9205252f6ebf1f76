#include "engine/opengauss/pca.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace predictor::engine::opengauss {
namespace {

// Points along the direction (2, 1, 0) with a little noise across it.
std::vector<float> line_of_points() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> rows;
  for (int i = 0; i < 500; i++) {
    const float along = 10 * normal(random);
    rows.insert(rows.end(), {5 + 2 * along + 0.01F * normal(random), along, 3});
  }
  return rows;
}

TEST(Pca, finds_the_direction_of_the_variance) {
  const Pca pca = fit_pca(line_of_points(), 3, 0.99);
  ASSERT_EQ(pca.outputs, 1);
  EXPECT_NEAR(pca.components[0], 2 / std::sqrt(5.0), 1e-3);
  EXPECT_NEAR(pca.components[1], 1 / std::sqrt(5.0), 1e-3);
  EXPECT_NEAR(pca.components[2], 0, 1e-6);
}

TEST(Pca, keeping_everything_keeps_distances) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  constexpr int kInputs = 12;
  std::vector<float> rows(kInputs * 100);
  for (float& value : rows) value = normal(random);
  const Pca pca = fit_pca(rows, kInputs, 1);
  ASSERT_EQ(pca.outputs, kInputs);
  std::vector<float> a(kInputs);
  std::vector<float> b(kInputs);
  pca.apply(rows.data(), a.data());
  pca.apply(rows.data() + kInputs, b.data());
  double before = 0;
  double after = 0;
  for (int i = 0; i < kInputs; i++) {
    before += std::pow(rows[i] - rows[kInputs + i], 2);
    after += std::pow(a[i] - b[i], 2);
  }
  EXPECT_NEAR(after, before, 1e-3 * before);
}

TEST(Pca, equal_rows_have_one_component_that_says_nothing) {
  const std::vector<float> rows(4 * 10, 1.5F);
  const Pca pca = fit_pca(rows, 4, 0.9);
  ASSERT_EQ(pca.outputs, 1);
  float out = 1;
  pca.apply(rows.data(), &out);
  EXPECT_EQ(out, 0);
}

}  // namespace
}  // namespace predictor::engine::opengauss
