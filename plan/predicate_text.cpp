#include "plan/predicate_text.h"

#include <algorithm>
#include <string>

#include "plan/predicate_lexer.h"
#include "plan/value.h"

namespace predictor {
namespace {

// Of parentheses. What is deeper is read as if it stood side by side.
constexpr int kMaxDepth = 500;

enum class Kind {
  kColumn,
  kKeyword,
  kOperator,
  kComma,
  kField,
  kValue,  // with its content, or without if that is not known
  kList,   // of `length` values
  kGroup,
  kSequence,  // several items that need no parentheses to be one operand
  kCall,
  kSubscript,
  kSubplan,
};

struct Item {
  Kind kind;
  std::string text{};             // a name
  std::vector<Value> contents{};  // of a value or a list
  std::vector<Item> parts{};      // of a group and its like, a call's arguments; commas included
  size_t length = 0;              // of a list
  bool is_hashed = false;         // a subplan

  bool is_keyword(std::string_view word) const { return kind == Kind::kKeyword && text == word; }
};

using Items = std::vector<Item>;

const Item kCommaItem{Kind::kComma};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

const Item* find_subplan(const Items& items) {
  for (const Item& item : items) {
    if (item.kind == Kind::kSubplan) return &item;
    if (const Item* found = find_subplan(item.parts)) return found;
  }
  return nullptr;
}

Items::iterator find_keyword(Items& items, std::string_view word) {
  return std::find_if(items.begin(), items.end(),
                      [&](const Item& item) { return item.is_keyword(word); });
}

// What the normal form leaves out: collations, windows, orders of sorting, marks of partial
// aggregation. Some of these words have an argument.
void drop_decoration(Items& items) {
  for (size_t i = 0; i < items.size();) {
    bool is_word = items[i].kind == Kind::kKeyword;
    if (is_word && is_one_of(items[i].text, {"COLLATE", "OVER", "USING"})) {
      auto first = items.begin() + static_cast<ptrdiff_t>(i);
      items.erase(first, std::min(first + 2, items.end()));
    } else if (is_word &&
               is_one_of(items[i].text, {"PARTIAL", "DESC", "ASC", "NULLS", "FIRST", "LAST"})) {
      items.erase(items.begin() + static_cast<ptrdiff_t>(i));
    } else {
      i++;
    }
  }
}

// Makes the items from `first` on, up to `last`, one operand.
void join(Items& items, size_t first, size_t last) {
  auto begin = items.begin() + static_cast<ptrdiff_t>(first);
  auto end = items.begin() + static_cast<ptrdiff_t>(last);
  Item joined{Kind::kSequence};
  joined.parts.assign(begin, end);
  items.erase(begin + 1, end);
  items[first] = std::move(joined);
}

// "count(*) FILTER (WHERE a)" and "f(a) WITHIN GROUP (ORDER BY b)" are one operand each.
void join_aggregates(Items& items) {
  for (size_t i = 1; i < items.size(); i++) {
    const size_t words = items[i].is_keyword("FILTER") ? 1 : items[i].is_keyword("WITHIN") ? 2 : 0;
    if (words == 0 || i + words >= items.size()) continue;
    join(items, i - 1, i + words + 1);
    i--;
  }
}

// The items before and behind the keyword; `items` has it.
std::pair<Items, Items> split_at(Items& items, std::string_view word) {
  auto at = find_keyword(items, word);
  return {Items(items.begin(), at), Items(at + 1, items.end())};
}

Item call(std::string name, std::initializer_list<Items> arguments) {
  Item made{Kind::kCall, std::move(name)};
  for (const Items& argument : arguments) {
    if (argument.empty()) continue;
    if (!made.parts.empty()) made.parts.push_back(kCommaItem);
    made.parts.insert(made.parts.end(), argument.begin(), argument.end());
  }
  return made;
}

// Functions that SQL writes with words between their arguments, as the functions that they are.
bool rewrite_sql_call(Item& item) {
  Items& parts = item.parts;
  const std::string name = item.text;
  if (name == "EXTRACT" && parts.size() > 2 && parts[1].is_keyword("FROM")) {
    Item field{Kind::kValue};
    field.contents.push_back({PREDICTOR_VALUE_TEXT, parts[0].text});
    item = call("extract", {{field}, Items(parts.begin() + 2, parts.end())});
  } else if (name == "POSITION" && find_keyword(parts, "IN") != parts.end()) {
    auto [part, whole] = split_at(parts, "IN");
    item = call("position", {whole, part});
  } else if (name == "TRIM" && find_keyword(parts, "FROM") != parts.end()) {
    auto [how, whole] = split_at(parts, "FROM");
    if (how.empty()) return false;
    std::string side = how.front().text;
    how.erase(how.begin());
    item = call(side == "LEADING" ? "ltrim" : side == "TRAILING" ? "rtrim" : "btrim", {whole, how});
  } else if (name == "SUBSTRING" || name == "OVERLAY" || name == "NORMALIZE") {
    for (Item& part : parts)
      if (part.kind == Kind::kKeyword && is_one_of(part.text, {"FROM", "FOR", "PLACING"}))
        part = kCommaItem;
    std::transform(item.text.begin(), item.text.end(), item.text.begin(),
                   [](char c) { return static_cast<char>(c | 0x20); });
  } else {
    return false;
  }
  return true;
}

// The same for operators made of words; `items` is what stands in one pair of parentheses.
void rewrite_sql_operator(Items& items) {
  if (auto at = find_keyword(items, "AT"); at != items.end() && items.end() - at > 3) {
    Items zone(at + 3, items.end()), time(items.begin(), at);
    items = {call("timezone", {zone, time})};
  } else if (auto overlaps = find_keyword(items, "OVERLAPS");
             overlaps != items.end() && items.size() == 3) {
    items = {call("overlaps", {items[0].parts, items[2].parts})};
  }
}

// A subplan in parentheses, with whatever it is compared with from PostgreSQL 17 on.
bool rewrite_subplan(Items& items) {
  const size_t first = !items.empty() && items[0].text == "hashed" ? 1 : 0;
  if (items.size() == first + 2 && items[first].is_keyword("SubPlan")) {
    Item subplan{Kind::kSubplan};
    subplan.is_hashed = first == 1;
    items = {subplan};
  } else if (items.size() == 2 && items[0].is_keyword("InitPlan")) {
    items = {Item{Kind::kValue}};
  } else if (items.size() > 1 && items[0].kind == Kind::kKeyword &&
             is_one_of(items[0].text, {"ANY", "ALL", "ROWCOMPARE"})) {
    const Item* subplan = find_subplan(items);
    if (subplan == nullptr) return false;
    items = {Item(*subplan)};
  } else {
    return false;
  }
  return true;
}

// A list if it has only values between its commas.
Item make_array(Items parts) {
  Item list{Kind::kList};
  bool only_values = true;
  for (const Item& part : parts) {
    if (part.kind == Kind::kComma) continue;
    only_values = only_values && part.kind == Kind::kValue;
    list.contents.insert(list.contents.end(), part.contents.begin(), part.contents.end());
    list.length++;
  }
  if (only_values) return list;
  Item array{Kind::kCall, "ARRAY"};
  array.parts = std::move(parts);
  return array;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) { token_ = lexer_.next(); }

  Items read() {
    Items all = sequence(0);
    while (token_.kind != Lexeme::kEnd) {  // a bracket too many
      take();
      Items more = sequence(0);
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }

 private:
  LexicalToken take() {
    LexicalToken taken = std::move(token_);
    token_ = lexer_.next();
    return taken;
  }

  bool take_cast(TypeText& type) {
    if (token_.kind != Lexeme::kCast) return false;
    type = lexer_.next_type();
    token_ = lexer_.next();
    return true;
  }

  // Up to a closing bracket or the end.
  Items sequence(int depth) {
    Items items;
    TypeText ignored;
    while (token_.kind != Lexeme::kEnd && token_.kind != Lexeme::kClose &&
           token_.kind != Lexeme::kCloseBracket)
      if (!take_cast(ignored)) read_item(items, depth);
    drop_decoration(items);
    join_aggregates(items);
    return items;
  }

  // What stands in brackets, the opening one taken already.
  Items bracketed(int depth, Lexeme closing) {
    if (depth >= kMaxDepth) return {};
    Items items = sequence(depth + 1);
    if (token_.kind == closing) take();
    return items;
  }

  void read_item(Items& items, int depth) {
    LexicalToken token = take();
    switch (token.kind) {
      case Lexeme::kOpen:
        read_group(items, depth);
        break;
      case Lexeme::kOpenBracket:
        items.push_back({Kind::kSubscript});
        items.back().parts = bracketed(depth, Lexeme::kCloseBracket);
        if (items.size() > 1) join(items, items.size() - 2, items.size());
        break;
      case Lexeme::kName:
        read_name(items, token, depth);
        break;
      case Lexeme::kKeyword:
        read_keyword(items, token, depth);
        break;
      case Lexeme::kNumber:
        items.push_back({Kind::kValue, {}, {value_of_text(token.text, "numeric")}});
        break;
      case Lexeme::kString:
      case Lexeme::kBits:
        read_string(items, token.text);
        break;
      case Lexeme::kParameter:
        items.push_back({Kind::kValue});
        break;
      case Lexeme::kComma:
        items.push_back(kCommaItem);
        break;
      case Lexeme::kDot:
        read_field(items);
        break;
      default:
        items.push_back({Kind::kOperator, token.text});
        break;
    }
  }

  void read_group(Items& items, int depth) {
    Items parts = bracketed(depth, Lexeme::kClose);
    if (!rewrite_subplan(parts)) rewrite_sql_operator(parts);
    if (parts.size() == 1) {
      items.push_back(std::move(parts.front()));
    } else if (!parts.empty()) {
      items.push_back({Kind::kGroup});
      items.back().parts = std::move(parts);
    }
  }

  void read_call(Items& items, const std::string& name, int depth) {
    take();  // the parenthesis
    Item item{Kind::kCall, name};
    item.parts = bracketed(depth, Lexeme::kClose);
    rewrite_sql_call(item);
    items.push_back(std::move(item));
  }

  void read_name(Items& items, const LexicalToken& token, int depth) {
    if (token.calls) {
      read_call(items, token.text, depth);
    } else if (!token.quoted && (token.text == "true" || token.text == "false")) {
      items.push_back({Kind::kValue, {}, {value_of_text(token.text, "boolean")}});
    } else {
      items.push_back({Kind::kColumn, token.text});
    }
  }

  void read_keyword(Items& items, const LexicalToken& token, int depth) {
    TypeText ignored;
    if (token.text == "NULL" && take_cast(ignored)) {
      items.push_back({Kind::kValue, {}, {{PREDICTOR_VALUE_NULL, {}}}});
    } else if (token.text == "ARRAY" && token_.kind == Lexeme::kOpenBracket) {
      take();
      items.push_back(make_array(bracketed(depth, Lexeme::kCloseBracket)));
    } else if (token.text == "CASE" && depth < kMaxDepth) {
      read_case(items, depth);
    } else if (token.calls) {
      read_call(items, token.text, depth);
      Item& made = items.back();
      if (is_one_of(made.text, {"EXISTS", "ARRAY"}) && rewrite_subplan(made.parts))
        made = Item(made.parts.front());
      else if (is_one_of(made.text.substr(0, made.text.find('_')),
                         {"CURRENT", "LOCALTIME", "LOCALTIMESTAMP"}))
        made = {Kind::kKeyword, made.text};
    } else {
      items.push_back({Kind::kKeyword, token.text});
    }
  }

  void read_string(Items& items, const std::string& text) {
    TypeText type;
    take_cast(type);
    if (type.is_array) {
      items.push_back({Kind::kList});
      items.back().contents = values_of_array(text, type.name);
      items.back().length = items.back().contents.size();
    } else {
      items.push_back({Kind::kValue, {}, {value_of_text(text, type.name)}});
    }
  }

  // Of a composite; the column of a subplan's or an InitPlan's result does not count.
  void read_field(Items& items) {
    if (token_.kind != Lexeme::kName && token_.kind != Lexeme::kKeyword) return;
    LexicalToken name = take();
    if (items.empty() || (items.back().kind != Kind::kValue && items.back().kind != Kind::kSubplan))
      items.push_back({Kind::kField, name.text});
    if (items.size() > 1 && items.back().kind == Kind::kField)
      join(items, items.size() - 2, items.size());
  }

  // "CASE ... END" is one operand; nested ones are read by themselves.
  void read_case(Items& items, int depth) {
    Item whole{Kind::kSequence};
    whole.parts.push_back({Kind::kKeyword, "CASE"});
    TypeText ignored;
    while (token_.kind != Lexeme::kEnd && token_.kind != Lexeme::kClose &&
           token_.kind != Lexeme::kCloseBracket &&
           !(token_.kind == Lexeme::kKeyword && token_.text == "END"))
      if (!take_cast(ignored)) read_item(whole.parts, depth + 1);
    if (token_.kind == Lexeme::kKeyword) {
      take();
      whole.parts.push_back({Kind::kKeyword, "END"});
    }
    drop_decoration(whole.parts);
    join_aggregates(whole.parts);
    items.push_back(std::move(whole));
  }

  Lexer lexer_;
  LexicalToken token_;
};

void emit(const Items& items, PredicateHasher& hasher) {
  auto bracketed = [&](PredictorToken opening, const Items& parts) {
    hasher.token(opening);
    emit(parts, hasher);
    hasher.token(PREDICTOR_TOKEN_CLOSE);
  };
  for (const Item& item : items) {
    switch (item.kind) {
      case Kind::kColumn:
        hasher.token(PREDICTOR_TOKEN_COLUMN, item.text);
        break;
      case Kind::kKeyword:
        hasher.token(PREDICTOR_TOKEN_KEYWORD, item.text);
        break;
      case Kind::kOperator:
        hasher.token(PREDICTOR_TOKEN_OPERATOR, item.text);
        break;
      case Kind::kField:
        hasher.token(PREDICTOR_TOKEN_FIELD, item.text);
        break;
      case Kind::kComma:
        hasher.token(PREDICTOR_TOKEN_COMMA);
        break;
      case Kind::kValue:
        hasher.value();
        break;
      case Kind::kList:
        hasher.list(item.length);
        break;
      case Kind::kGroup:
        bracketed(PREDICTOR_TOKEN_OPEN, item.parts);
        break;
      case Kind::kSequence:
        emit(item.parts, hasher);
        break;
      case Kind::kCall:
        hasher.token(PREDICTOR_TOKEN_FUNCTION, item.text);
        bracketed(PREDICTOR_TOKEN_OPEN, item.parts);
        break;
      case Kind::kSubscript:
        bracketed(PREDICTOR_TOKEN_SUBSCRIPT, item.parts);
        break;
      case Kind::kSubplan:
        hasher.token(PREDICTOR_TOKEN_SUBPLAN, uint64_t{item.is_hashed});
        break;
    }
    for (const Value& content : item.contents) hasher.content(content.value_class, content.bytes);
  }
}

void emit_list(const std::vector<std::string_view>& texts, PredicateHasher& hasher) {
  for (size_t i = 0; i < texts.size(); i++) {
    if (i > 0) hasher.token(PREDICTOR_TOKEN_COMMA);
    emit(Parser(texts[i]).read(), hasher);
  }
}

void hash_clause(const Items& items, PredictorRole role, PredicateHasher& hasher) {
  hasher.begin_clause(role);
  emit(items, hasher);
  hasher.end_clause();
}

}  // namespace

void hash_predicate_text(std::string_view text, PredictorRole role, PredicateHasher& hasher) {
  Items items = Parser(text).read();
  if (items.size() == 1 && items[0].kind == Kind::kGroup) {
    Items parts = items[0].parts;
    if (find_keyword(parts, "AND") != parts.end()) {
      while (find_keyword(parts, "AND") != parts.end()) {
        auto [clause, rest] = split_at(parts, "AND");
        hash_clause(clause, role, hasher);
        parts = rest;
      }
      items = std::move(parts);
    }
  }
  hash_clause(items, role, hasher);
}

void hash_keys(const std::vector<std::string_view>& keys, PredictorRole role,
               PredicateHasher& hasher) {
  hasher.begin_clause(role);
  emit_list(keys, hasher);
  hasher.end_clause();
}

void hash_sampling(std::string_view method, const std::vector<std::string_view>& parameters,
                   std::string_view seed, PredicateHasher& hasher) {
  hasher.begin_clause(PREDICTOR_ROLE_SAMPLING);
  hasher.token(PREDICTOR_TOKEN_FUNCTION, method);
  hasher.token(PREDICTOR_TOKEN_OPEN);
  emit_list(parameters, hasher);
  hasher.token(PREDICTOR_TOKEN_CLOSE);
  emit(Parser(seed).read(), hasher);
  hasher.end_clause();
}

void hash_provider(std::string_view name, PredicateHasher& hasher) {
  hasher.begin_clause(PREDICTOR_ROLE_PROVIDER);
  hasher.token(PREDICTOR_TOKEN_KEYWORD, name);
  hasher.end_clause();
}

}  // namespace predictor
