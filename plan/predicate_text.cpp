#include "plan/predicate_text.h"

#include <cctype>

namespace predictor {
namespace {

constexpr unsigned kWordToken = 16;      // a name or keyword
constexpr unsigned kOperatorToken = 17;  // one or more operator characters
constexpr unsigned kBracketToken = 18;   // ( ) [ ] ,

enum class Kind { kEnd, kWord, kOperator, kBracket, kConstant, kCast };

struct Token {
  Kind kind = Kind::kEnd;
  std::string_view text;
  size_t end = 0;  // where the next one starts
};

bool is_word_char(char c) {
  auto u = static_cast<unsigned char>(c);
  return std::isalnum(u) || c == '_' || c == '.' || c == '$' || u >= 0x80;
}

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

// End of a quoted string that starts at `at`; a doubled quote stands for itself.
size_t skip_quoted(std::string_view text, size_t at) {
  const char quote = text[at++];
  while (at < text.size()) {
    if (text[at++] != quote) continue;
    if (at < text.size() && text[at] == quote)
      at++;
    else
      return at;
  }
  return at;
}

size_t skip_word(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (text[at] == '"')
      at = skip_quoted(text, at);
    else if (is_word_char(text[at]))
      at++;
    else
      break;
  }
  return at;
}

// "::character varying(10)[]" behind a value; the name is cut at the first character that cannot
// belong to a type, keywords of two words included.
size_t skip_type(std::string_view text, size_t at) {
  at = skip_word(text, at);
  for (std::string_view more : {" varying", " precision", " without time zone", " with time zone"})
    if (text.substr(at, more.size()) == more) at += more.size();
  if (at < text.size() && text[at] == '(') {
    size_t close = text.find(')', at);
    if (close != std::string_view::npos) at = close + 1;
  }
  while (text.substr(at, 2) == "[]") at += 2;
  return at;
}

size_t skip_number(std::string_view text, size_t at) {
  while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) at++;
  if (at + 1 < text.size() && (text[at] == 'e' || text[at] == 'E') &&
      (is_digit(text[at + 1]) || text[at + 1] == '-' || text[at + 1] == '+')) {
    at += 2;
    while (at < text.size() && is_digit(text[at])) at++;
  }
  return at;
}

Token next_token(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) at++;
  if (at >= text.size()) return {Kind::kEnd, {}, at};
  const char c = text[at];
  const char following = at + 1 < text.size() ? text[at + 1] : '\0';
  size_t end = at + 1;
  Kind kind = Kind::kOperator;
  if (c == '\'') {
    end = skip_quoted(text, at);
    kind = Kind::kConstant;
  } else if (is_digit(c) || (c == '.' && is_digit(following))) {
    end = skip_number(text, at);
    kind = Kind::kConstant;
  } else if (c == '$' && is_digit(following)) {
    end = skip_word(text, at);
    kind = Kind::kConstant;
  } else if (c == ':' && following == ':') {
    end = skip_type(text, at + 2);
    kind = Kind::kCast;
  } else if (is_word_char(c) || c == '"') {
    end = skip_word(text, at);
    kind = Kind::kWord;
  } else if (std::string_view("()[],").find(c) != std::string_view::npos) {
    kind = Kind::kBracket;
  } else {
    constexpr std::string_view kOperatorChars = "+-*/<>=~!@#%^&|`?";
    while (end < text.size() && kOperatorChars.find(text[end]) != std::string_view::npos) end++;
  }
  return {kind, text.substr(at, end - at), end};
}

// Where the bracket opened at `at` closes, or npos.
size_t closing(std::string_view text, size_t at) {
  int depth = 0;
  for (Token t = next_token(text, at); t.kind != Kind::kEnd; t = next_token(text, t.end)) {
    if (t.text == "(") depth++;
    if (t.text == ")" && --depth == 0) return t.end - 1;
  }
  return std::string_view::npos;
}

std::string_view strip(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.size() > 2 && text.front() == '(' && closing(text, 0) == text.size() - 1)
    return text.substr(1, text.size() - 2);
  return text;
}

void hash_clause(std::string_view text, PredicateRole role, PredicateHasher& hasher) {
  hasher.begin_clause(role);
  bool after_constant = false;
  for (Token t = next_token(text, 0); t.kind != Kind::kEnd; t = next_token(text, t.end)) {
    if (t.kind == Kind::kConstant)
      hasher.constant(t.text.data(), t.text.size());
    else if (t.kind == Kind::kWord)
      hasher.token(kWordToken, t.text.data(), t.text.size());
    else if (t.kind == Kind::kBracket)
      hasher.token(kBracketToken, t.text.data(), t.text.size());
    else if (!(t.kind == Kind::kCast && after_constant))
      hasher.token(kOperatorToken, t.text.data(), t.text.size());
    after_constant = t.kind == Kind::kConstant;
  }
  hasher.end_clause();
}

}  // namespace

void hash_predicate_text(std::string_view text, PredicateRole role, PredicateHasher& hasher) {
  text = strip(text);
  int depth = 0;
  size_t begin = 0;
  for (Token t = next_token(text, 0); t.kind != Kind::kEnd; t = next_token(text, t.end)) {
    if (t.text == "(") depth++;
    if (t.text == ")") depth--;
    if (depth == 0 && t.kind == Kind::kWord && t.text == "AND") {
      size_t end = t.end - t.text.size();
      hash_clause(strip(text.substr(begin, end - begin)), role, hasher);
      begin = t.end;
    }
  }
  hash_clause(strip(text.substr(begin)), role, hasher);
}

}  // namespace predictor
