// lines.h - reads text files line by line, plain or compressed with zstd (told by the content, not
// by the name); "-" is standard input.
#ifndef PREDICTOR_ENGINE_LINES_H
#define PREDICTOR_ENGINE_LINES_H

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string_view>

#include "engine/error.h"

namespace predictor::engine {

// Of a longer line only its first kLongestLine + 1 bytes are given, so that it can be told.
inline constexpr size_t kLongestLine = size_t{64} << 20;

// Calls `sink` for each line, without its end, until that returns false. Fails if the file cannot
// be read or decompressed to its end.
Failure read_lines(const std::filesystem::path& path,
                   const std::function<bool(std::string_view)>& sink);

}  // namespace predictor::engine

#endif
