#include "plan/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace predictor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  auto to_lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(),
                                                [&](char x, char y) { return to_lower(x) == y; });
}

// The digits of a number in the making; leading zeros are skipped, trailing ones taken back.
struct Digits {
  char* out;
  size_t count = 0;
  int64_t exponent = 0;  // of the last digit

  void add(char digit, bool after_point) {
    if (after_point) exponent--;
    if (digit == '0' && count == 0) return;
    if (count < kNumberDigits)
      out[count++] = digit;
    else
      exponent++;
  }

  void trim() {
    while (count > 0 && out[count - 1] == '0') count--, exponent++;
  }
};

std::string_view special_number(std::string_view text, char (&out)[kNumberSize]) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  const char* name = nullptr;
  if (equals_ignoring_case(text, "nan"))
    name = "nan";
  else if (equals_ignoring_case(text, "infinity") || equals_ignoring_case(text, "inf"))
    name = negative ? "-inf" : "inf";
  if (name == nullptr) return {};
  const size_t length = std::strlen(name);
  std::memcpy(out, name, length);
  return {out, length};
}

}  // namespace

std::string_view canonical_number(std::string_view text, char (&out)[kNumberSize]) {
  size_t at = 0;
  bool negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) negative = text[at++] == '-';
  const size_t first = at;
  Digits digits{out + 1};
  bool after_point = false;
  bool any = false;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !after_point)); at++) {
    if (text[at] == '.')
      after_point = true;
    else
      digits.add(text[at], after_point), any = true;
  }
  if (!any) return special_number(text.substr(first > 0 && !negative ? first : 0), out);
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    at++;
    if (at < text.size() && text[at] == '+') at++;
    int exponent = 0;
    auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), exponent);
    if (error != std::errc()) return {};
    digits.exponent += exponent;
    at = static_cast<size_t>(end - text.data());
  }
  if (at != text.size()) return {};
  digits.trim();
  if (digits.count == 0) {
    out[0] = '0';
    return {out, 1};
  }
  out[0] = '-';
  char* end = out + 1 + digits.count;
  *end++ = 'e';
  end = std::to_chars(end, out + sizeof out, digits.exponent).ptr;
  const char* begin = negative ? out : out + 1;
  return {begin, static_cast<size_t>(end - begin)};
}

std::string_view canonical_number(int64_t number, char (&out)[kNumberSize]) {
  char text[24];
  return canonical_number(
      {text, static_cast<size_t>(std::to_chars(text, text + sizeof text, number).ptr - text)}, out);
}

std::string_view canonical_number(double number, char (&out)[kNumberSize]) {
  char text[32];
  return canonical_number(
      {text, static_cast<size_t>(std::to_chars(text, text + sizeof text, number).ptr - text)}, out);
}

std::string_view canonical_number(float number, char (&out)[kNumberSize]) {
  char text[32];
  return canonical_number(
      {text, static_cast<size_t>(std::to_chars(text, text + sizeof text, number).ptr - text)}, out);
}

namespace {

std::string_view coarse_number(std::string_view canonical, char (&buffer)[kCoarseSize]) {
  double number = 0;
  auto [end, error] =
      std::from_chars(canonical.data(), canonical.data() + canonical.size(), number);
  if (error != std::errc() || end != canonical.data() + canonical.size() || !std::isfinite(number))
    return canonical;
  constexpr double kStepsPerOctave = 2;
  const double size = std::abs(number);
  // Small numbers are codes and counts more often than measurements: they stay apart.
  const double step = size < 8 ? size : 100 + std::round(kStepsPerOctave * std::log2(size));
  auto written = std::to_chars(buffer, buffer + sizeof buffer,
                               static_cast<int>(std::copysign(std::round(step), number)));
  return {buffer, static_cast<size_t>(written.ptr - buffer)};
}

// The civil calendar from days and back: Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms". Months count from year 0, so that a month is one number.
constexpr int64_t kDaysTo2000 = 730425;  // from 0000-03-01
constexpr int64_t kDaysPerEra = 146097;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

int64_t month_of_day(int64_t day) {
  day += kDaysTo2000;
  const int64_t era = floor_divide(day, kDaysPerEra);
  const int64_t in_era = day - era * kDaysPerEra;
  const int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
  return (era * 400 + year) * 12 + (5 * in_year + 2) / 153 + 2;  // years begin in March here
}

int64_t day_of_date(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  const int64_t era = floor_divide(year, 400);
  const int64_t in_era = year - era * 400;
  const int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * kDaysPerEra + in_era * 365 + in_era / 4 - in_era / 100 + in_year - kDaysTo2000;
}

constexpr int64_t kSecond = 1000000;
constexpr int64_t kDay = 86400 * kSecond;

// ---- reading dates and times as DateStyle ISO and IntervalStyle postgres print them ----

struct Cursor {
  std::string_view text;

  bool take(char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  }

  bool take(std::string_view word) {
    if (text.substr(0, word.size()) != word) return false;
    text.remove_prefix(word.size());
    return true;
  }

  bool number(int64_t& out) {
    if (text.empty() || !is_digit(text.front())) return false;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || out > 100000000) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return true;
  }
};

// hh:mm:ss.ffffff
bool read_time(Cursor& in, int64_t& microseconds) {
  int64_t hour = 0, minute = 0, second = 0, fraction = 0;
  if (!in.number(hour) || !in.take(':') || !in.number(minute)) return false;
  if (in.take(':') && !in.number(second)) return false;
  if (in.take('.'))
    for (int64_t unit = kSecond / 10; !in.text.empty() && is_digit(in.text.front()); unit /= 10) {
      fraction += (in.text.front() - '0') * unit;
      in.text.remove_prefix(1);
    }
  microseconds = ((hour * 60 + minute) * 60 + second) * kSecond + fraction;
  return true;
}

// +hh, -hh:mm, +hh:mm:ss; seconds east of UTC
bool read_zone(Cursor& in, int64_t& seconds) {
  const bool west = in.take('-');
  if (!west && !in.take('+')) return false;
  int64_t hour = 0, minute = 0, second = 0;
  if (!in.number(hour)) return false;
  if (in.take(':') && !in.number(minute)) return false;
  if (in.take(':') && !in.number(second)) return false;
  seconds = (hour * 60 + minute) * 60 + second;
  if (west) seconds = -seconds;
  return true;
}

bool read_point_in_time(std::string_view text, int64_t& microseconds) {
  if (text == "infinity" || text == "-infinity") {
    microseconds = text.front() == '-' ? INT64_MIN : INT64_MAX;
    return true;
  }
  Cursor in{text};
  int64_t year = 0, month = 0, day = 0, time = 0, zone = 0;
  if (!in.number(year) || !in.take('-') || !in.number(month) || !in.take('-') || !in.number(day))
    return false;
  if (in.take(' ') && !in.take("BC")) {
    if (!read_time(in, time)) return false;
    read_zone(in, zone);
    if (in.take(" BC")) year = 1 - year;
  } else if (text.size() > 2 && text.substr(text.size() - 2) == "BC") {
    year = 1 - year;
  }
  if (!in.text.empty() || month < 1 || month > 12 || year > 300000 || year < -5000) return false;
  microseconds = day_of_date(year, month, day) * kDay + time - zone * kSecond;
  return true;
}

bool read_interval(std::string_view text, int64_t (&out)[3]) {
  Cursor in{text};
  out[0] = out[1] = out[2] = 0;
  while (!in.text.empty()) {
    while (in.take(' ')) {
    }
    const bool negative = in.take('-');
    if (!negative) in.take('+');
    Cursor ahead = in;
    int64_t count = 0, time = 0;
    if (read_time(ahead, time)) {
      out[2] = negative ? -time : time;
      in = ahead;
      continue;
    }
    if (!in.number(count) || !in.take(' ')) return false;
    if (negative) count = -count;
    if (in.take("year"))
      out[0] += 12 * count;
    else if (in.take("mon"))
      out[0] += count;
    else if (in.take("day"))
      out[1] += count;
    else
      return false;
    in.take('s');
  }
  return true;
}

bool read_hexadecimal(std::string_view text, std::string& out) {
  if (text.substr(0, 2) != "\\x" || text.size() % 2 != 0) return false;
  for (size_t i = 2; i < text.size(); i += 2) {
    unsigned byte = 0;
    auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return false;
    out.push_back(static_cast<char>(byte));
  }
  return true;
}

struct TypeName {
  std::string_view name;
  PredictorValue value_class;
};

constexpr TypeName kTypes[] = {{"smallint", PREDICTOR_VALUE_NUMBER},
                               {"integer", PREDICTOR_VALUE_NUMBER},
                               {"bigint", PREDICTOR_VALUE_NUMBER},
                               {"numeric", PREDICTOR_VALUE_NUMBER},
                               {"real", PREDICTOR_VALUE_NUMBER},
                               {"double precision", PREDICTOR_VALUE_NUMBER},
                               {"oid", PREDICTOR_VALUE_NUMBER},
                               {"xid", PREDICTOR_VALUE_NUMBER},
                               {"xid8", PREDICTOR_VALUE_NUMBER},
                               {"cid", PREDICTOR_VALUE_NUMBER},
                               {"boolean", PREDICTOR_VALUE_BOOL},
                               {"date", PREDICTOR_VALUE_TIME},
                               {"timestamp", PREDICTOR_VALUE_TIME},
                               {"timestamp without time zone", PREDICTOR_VALUE_TIME},
                               {"timestamp with time zone", PREDICTOR_VALUE_TIME},
                               {"time without time zone", PREDICTOR_VALUE_TIME_OF_DAY},
                               {"time with time zone", PREDICTOR_VALUE_TIME_OF_DAY},
                               {"interval", PREDICTOR_VALUE_INTERVAL},
                               {"bytea", PREDICTOR_VALUE_BYTES}};

PredictorValue class_of_type(std::string_view type) {
  for (const TypeName& entry : kTypes)
    if (entry.name == type) return entry.value_class;
  return PREDICTOR_VALUE_TEXT;
}

// The canonical bytes of `text` as a value of that class; false if it is none.
bool read_value(std::string_view text, PredictorValue value_class, std::string& out) {
  int64_t numbers[3] = {};
  char buffer[kNumberSize];
  switch (value_class) {
    case PREDICTOR_VALUE_NUMBER:
      out = canonical_number(text, buffer);
      return !out.empty();
    case PREDICTOR_VALUE_BOOL:
      out = text == "t" || text == "true" ? "t" : "f";
      return true;
    case PREDICTOR_VALUE_TIME:
      if (!read_point_in_time(text, numbers[0])) return false;
      out = bytes_of(numbers, 1);
      return true;
    case PREDICTOR_VALUE_TIME_OF_DAY: {
      Cursor in{text};
      if (!read_time(in, numbers[0])) return false;
      read_zone(in, numbers[1]);
      numbers[1] = -numbers[1];  // PostgreSQL counts west
      out = bytes_of(numbers, 2);
      return in.text.empty();
    }
    case PREDICTOR_VALUE_INTERVAL:
      if (!read_interval(text, numbers)) return false;
      out = bytes_of(numbers, 3);
      return true;
    case PREDICTOR_VALUE_BYTES:
      return read_hexadecimal(text, out);
    default:
      out = text;
      return true;
  }
}

}  // namespace

std::string_view coarse_value(PredictorValue value_class, std::string_view canonical,
                              char (&buffer)[kCoarseSize]) {
  if (value_class == PREDICTOR_VALUE_NUMBER) return coarse_number(canonical, buffer);
  int64_t point = 0;
  if (value_class != PREDICTOR_VALUE_TIME || canonical.size() != sizeof point) return canonical;
  std::memcpy(&point, canonical.data(), sizeof point);
  if (point == INT64_MIN || point == INT64_MAX) return canonical;
  const int64_t month = month_of_day(floor_divide(point, kDay));
  std::memcpy(buffer, &month, sizeof month);
  return {buffer, sizeof month};
}

Value value_of_text(std::string_view text, std::string_view type) {
  Value value{class_of_type(type), {}};
  // CHAR(n) is padded with blanks, which do not count when it is compared.
  if (type == "character" || type == "bpchar")
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!read_value(text, value.value_class, value.bytes))
    value = {PREDICTOR_VALUE_TEXT, std::string(text)};
  return value;
}

std::vector<Value> values_of_array(std::string_view text, std::string_view element_type) {
  std::vector<Value> values;
  size_t at = text.find('{');  // behind the bounds, if there are any
  for (; at < text.size();) {
    const char c = text[at];
    if (c == '{' || c == '}' || c == ',') {
      at++;
      continue;
    }
    std::string element;
    const bool quoted = c == '"';
    if (quoted) {
      for (at++; at < text.size() && text[at] != '"'; at++) {
        if (text[at] == '\\' && at + 1 < text.size()) at++;
        element.push_back(text[at]);
      }
      at++;
    } else {
      for (; at < text.size() && text[at] != ',' && text[at] != '}'; at++) {
        if (text[at] == '\\' && at + 1 < text.size()) at++;
        element.push_back(text[at]);
      }
    }
    if (!quoted && element == "NULL")
      values.push_back({PREDICTOR_VALUE_NULL, {}});
    else
      values.push_back(value_of_text(element, element_type));
  }
  return values;
}

}  // namespace predictor
