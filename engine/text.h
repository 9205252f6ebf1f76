// text.h - checks and conversions of the small texts that requests, files and settings are made of.
//
// Everything that becomes part of a path passes canonical_uuid() or is_plain_name() first.
#ifndef PREDICTOR_ENGINE_TEXT_H
#define PREDICTOR_ENGINE_TEXT_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace predictor::engine {

// The UUID in lower case; nothing if the text is no UUID in the 8-4-4-4-12 form.
std::optional<std::string> canonical_uuid(std::string_view text);

// 1 to 200 characters of [A-Za-z0-9._-], the first of which is a letter or a digit.
bool is_plain_name(std::string_view text);

// A decimal number without sign, spaces or anything after it, in [least, most].
std::optional<uint64_t> parse_number(std::string_view text, uint64_t least, uint64_t most);

std::string to_hex(std::span<const uint8_t> bytes);
// Empty where the text is none of hexadecimal digits.
std::string from_hex(std::string_view digits);

// Whether the text is a SHA-256 in hexadecimal digits, and that in lower case.
std::optional<std::string> canonical_sha256(std::string_view text);

std::string to_lower(std::string_view text);
std::vector<std::string> split(std::string_view text, char separator);

// Without spaces, tabs and carriage returns at both ends.
std::string_view trimmed(std::string_view text);

// Replaces %XX; nothing if an escape is incomplete.
std::optional<std::string> percent_decode(std::string_view text);

// Without control characters and cut to `limit` characters: fit for a log line or a message.
std::string printable(std::string_view text, size_t limit = 200);

}  // namespace predictor::engine

#endif
