// predicate_lexer.h - cuts an expression as EXPLAIN prints it into lexical tokens.
#ifndef PREDICTOR_PLAN_PREDICATE_LEXER_H
#define PREDICTOR_PLAN_PREDICATE_LEXER_H

#include <string>
#include <string_view>

namespace predictor {

enum class Lexeme {
  kEnd,
  kName,     // of a column or function: its last component, unquoted; "*" for a whole row
  kKeyword,  // PostgreSQL prints them in capitals, and names with capitals in quotes
  kNumber,
  kString,     // unquoted
  kBits,       // B'101'
  kParameter,  // $1
  kOperator,
  kOpen,
  kClose,
  kOpenBracket,
  kCloseBracket,
  kComma,
  kDot,   // behind a parenthesis or bracket: a field follows
  kCast,  // ::
};

struct LexicalToken {
  Lexeme kind = Lexeme::kEnd;
  std::string text;
  bool calls = false;   // a name or keyword with an opening parenthesis right behind it
  bool quoted = false;  // a name in quotes or with a table's name before it
};

// A type's name behind a cast.
struct TypeText {
  std::string name;  // without schema and modifiers
  bool is_array = false;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  LexicalToken next();
  TypeText next_type();  // behind kCast

 private:
  char at(size_t offset) const { return at_ + offset < text_.size() ? text_[at_ + offset] : '\0'; }
  void skip_blanks();
  bool skip(std::string_view word);
  std::string quoted(char quote, bool escapes);
  LexicalToken word();
  LexicalToken number();
  LexicalToken operator_characters();

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace predictor

#endif
