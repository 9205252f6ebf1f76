#include "engine/opengauss/pca.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace predictor::engine::opengauss {
namespace {

// A square matrix, row by row.
struct Matrix {
  explicit Matrix(int size) : size(size), values(static_cast<size_t>(size) * size) {}
  double& at(int row, int column) { return values[static_cast<size_t>(row) * size + column]; }
  int size;
  std::vector<double> values;
};

Matrix covariance(std::span<const float> rows, std::span<const float> mean) {
  const int inputs = static_cast<int>(mean.size());
  Matrix matrix(inputs);
  std::vector<double> centred(mean.size());
  for (size_t from = 0; from < rows.size(); from += mean.size()) {
    for (int i = 0; i < inputs; i++) centred[i] = rows[from + i] - mean[i];
    for (int i = 0; i < inputs; i++) {
      if (centred[i] == 0) continue;
      for (int j = 0; j <= i; j++) matrix.at(i, j) += centred[i] * centred[j];
    }
  }
  for (int i = 0; i < inputs; i++) {
    for (int j = 0; j < i; j++) matrix.at(j, i) = matrix.at(i, j);
  }
  return matrix;
}

// Turns rows and columns p and q so that matrix[p][q] becomes 0, and `vectors` along.
void rotate(Matrix& matrix, Matrix& vectors, int p, int q) {
  if (matrix.at(p, q) == 0) return;
  const double theta = (matrix.at(q, q) - matrix.at(p, p)) / (2 * matrix.at(p, q));
  const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
  const double cosine = 1 / std::sqrt(t * t + 1);
  const double sine = t * cosine;
  const auto turn = [cosine, sine](double& a, double& b) {
    const double old_a = a;
    a = cosine * old_a - sine * b;
    b = sine * old_a + cosine * b;
  };
  for (int i = 0; i < matrix.size; i++) turn(matrix.at(i, p), matrix.at(i, q));
  for (int i = 0; i < matrix.size; i++) turn(matrix.at(p, i), matrix.at(q, i));
  for (int i = 0; i < matrix.size; i++) turn(vectors.at(i, p), vectors.at(i, q));
}

// Leaves the eigenvalues on the diagonal; returns the eigenvectors as columns.
Matrix diagonalize(Matrix& matrix) {
  constexpr int kMostSweeps = 50;
  Matrix vectors(matrix.size);
  double whole = 0;
  for (int i = 0; i < matrix.size; i++) {
    vectors.at(i, i) = 1;
    whole += matrix.at(i, i) * matrix.at(i, i);
  }
  for (int sweep = 0; sweep < kMostSweeps; sweep++) {
    double off_diagonal = 0;
    for (int p = 0; p < matrix.size; p++) {
      for (int q = p + 1; q < matrix.size; q++) off_diagonal += matrix.at(p, q) * matrix.at(p, q);
    }
    if (off_diagonal <= 1e-24 * whole) break;
    for (int p = 0; p < matrix.size; p++) {
      for (int q = p + 1; q < matrix.size; q++) rotate(matrix, vectors, p, q);
    }
  }
  return vectors;
}

}  // namespace

Pca fit_pca(std::span<const float> rows, int inputs, double share) {
  Pca pca;
  pca.inputs = inputs;
  const size_t count = rows.size() / inputs;
  std::vector<double> sums(inputs);
  for (size_t i = 0; i < count * inputs; i++) sums[i % inputs] += rows[i];
  for (const double sum : sums) {
    pca.mean.push_back(static_cast<float>(sum / std::max<double>(1, count)));
  }
  Matrix matrix = covariance(rows.first(count * inputs), pca.mean);
  Matrix vectors = diagonalize(matrix);

  std::vector<int> order(inputs);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return matrix.at(a, a) > matrix.at(b, b); });
  double whole = 0;
  for (int i = 0; i < inputs; i++) whole += std::max(0.0, matrix.at(i, i));
  double kept = 0;
  // The sum that is compared has rounding errors of its own.
  while (pca.outputs < inputs && (pca.outputs == 0 || kept < share * whole * (1 - 1e-12))) {
    const int column = order[pca.outputs++];
    kept += std::max(0.0, matrix.at(column, column));
    int largest = 0;
    for (int i = 1; i < inputs; i++) {
      if (std::abs(vectors.at(i, column)) > std::abs(vectors.at(largest, column))) largest = i;
    }
    const double sign = vectors.at(largest, column) < 0 ? -1 : 1;
    for (int i = 0; i < inputs; i++) {
      pca.components.push_back(static_cast<float>(sign * vectors.at(i, column)));
    }
  }
  return pca;
}

}  // namespace predictor::engine::opengauss
