// version.h - what predictord calls itself; `GET /v1/version` and `predictord version` print it.
#ifndef PREDICTOR_ENGINE_VERSION_H
#define PREDICTOR_ENGINE_VERSION_H

namespace predictor::engine {

inline constexpr char kVersion[] = "1.0.0";
inline constexpr int kApiVersion = 1;

}  // namespace predictor::engine

#endif
