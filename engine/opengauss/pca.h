// pca.h - reduces features to their principal components: what openGauss's dim_red asks for.
//
// Components are the eigenvectors of the covariance matrix, found by Jacobi's rotations (Golub and
// Van Loan, Matrix Computations, section 8.5), which is exact enough and simple for the 67 features
// there are. Deterministic: a component's entry of largest size is positive.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_PCA_H
#define PREDICTOR_ENGINE_OPENGAUSS_PCA_H

#include <span>

#include "plan/opengauss_model.h"

namespace predictor::engine::opengauss {

// Of rows of `inputs` numbers; keeps the fewest components, at least one, that hold `share` (0, 1]
// of the variance.
Pca fit_pca(std::span<const float> rows, int inputs, double share);

}  // namespace predictor::engine::opengauss

#endif
