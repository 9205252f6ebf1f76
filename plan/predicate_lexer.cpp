#include "plan/predicate_lexer.h"

namespace predictor {
namespace {

constexpr std::string_view kOperatorCharacters = "+-*/<>=~!@#%^&|`?";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || is_capital(c) || is_digit(c) || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

void Lexer::skip_blanks() {
  while (at(0) == ' ' || at(0) == '\n' || at(0) == '\t') at_++;
}

bool Lexer::skip(std::string_view word) {
  if (at_ >= text_.size() || text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

// From the opening quote on; a doubled quote stands for itself.
std::string Lexer::quoted(char quote, bool escapes) {
  std::string out;
  for (at_++; at_ < text_.size(); at_++) {
    if (text_[at_] == quote) {
      if (at(1) != quote) break;
      at_++;
    } else if (escapes && text_[at_] == '\\' && at(1) != '\0') {
      at_++;
    }
    out.push_back(text_[at_]);
  }
  at_++;
  return out;
}

// schema.table.column; every component may be quoted, and the last may be a star.
LexicalToken Lexer::word() {
  LexicalToken token{Lexeme::kName, {}};
  bool plain = true;
  for (;;) {
    token.text.clear();
    if (at(0) == '"') {
      token.text = quoted('"', false);
      plain = false;
    } else if (at(0) == '*') {
      token.text.push_back(text_[at_++]);
    } else {
      while (is_name_character(at(0))) token.text.push_back(text_[at_++]);
    }
    if (at(0) != '.' || !(is_name_character(at(1)) || at(1) == '"' || at(1) == '*')) break;
    at_++;
    plain = false;
  }
  if (plain)
    for (char c : token.text)
      if (is_capital(c)) token.kind = Lexeme::kKeyword;
  token.quoted = !plain;
  token.calls = at(0) == '(';
  return token;
}

LexicalToken Lexer::number() {
  LexicalToken token{Lexeme::kNumber, {}};
  while (is_digit(at(0)) || at(0) == '.') token.text.push_back(text_[at_++]);
  if ((at(0) == 'e' || at(0) == 'E') && (is_digit(at(1)) || at(1) == '-' || at(1) == '+')) {
    token.text.push_back(text_[at_++]);
    do token.text.push_back(text_[at_++]);
    while (is_digit(at(0)));
  }
  return token;
}

LexicalToken Lexer::operator_characters() {
  LexicalToken token{Lexeme::kOperator, {}};
  while (at_ < text_.size() && kOperatorCharacters.find(text_[at_]) != std::string_view::npos)
    token.text.push_back(text_[at_++]);
  if (token.text.empty()) token.text.push_back(text_[at_++]);  // ':' of a slice, or rubbish
  return token;
}

LexicalToken Lexer::next() {
  skip_blanks();
  if (at_ >= text_.size()) return {};
  const char c = at(0), following = at(1);
  auto single = [&](Lexeme kind) {
    at_++;
    return LexicalToken{kind, std::string(1, c)};
  };
  switch (c) {
    case '(':
      return single(Lexeme::kOpen);
    case ')':
      return single(Lexeme::kClose);
    case '[':
      return single(Lexeme::kOpenBracket);
    case ']':
      return single(Lexeme::kCloseBracket);
    case ',':
      return single(Lexeme::kComma);
    case '\'':
      return {Lexeme::kString, quoted('\'', false)};
    default:
      break;
  }
  if ((c == 'E' || c == 'B' || c == 'X') && following == '\'') {
    at_++;
    return {c == 'E' ? Lexeme::kString : Lexeme::kBits, quoted('\'', c == 'E')};
  }
  if (is_digit(c) || (c == '.' && is_digit(following))) return number();
  if (c == '.') return single(Lexeme::kDot);
  if (c == '$' && is_digit(following)) {
    LexicalToken token{Lexeme::kParameter, {}};
    for (at_++; is_digit(at(0));) token.text.push_back(text_[at_++]);
    return token;
  }
  if (skip("::")) return {Lexeme::kCast, "::"};
  if (skip("OPERATOR(")) {
    while (is_name_character(at(0)) || at(0) == '.' || at(0) == '"') at_++;
    LexicalToken token = operator_characters();
    skip(")");
    return token;
  }
  if (is_name_character(c) || c == '"') return word();
  return operator_characters();
}

TypeText Lexer::next_type() {
  skip_blanks();
  TypeText type;
  if (!is_name_character(at(0)) && at(0) != '"') return type;
  type.name = word().text;
  auto skip_modifiers = [this] {
    if (at(0) != '(') return;
    while (at_ < text_.size() && text_[at_] != ')') at_++;
    at_++;
  };
  skip_modifiers();
  for (std::string_view more :
       {" varying", " precision", " without time zone", " with time zone", " year to month",
        " year", " month", " day to hour", " day to minute", " day to second", " day",
        " hour to minute", " hour to second", " hour", " minute to second", " minute", " second"})
    if (skip(more)) {
      if (type.name != "interval") type.name += more;
      break;
    }
  skip_modifiers();
  while (skip("[]")) type.is_array = true;
  return type;
}

}  // namespace predictor
