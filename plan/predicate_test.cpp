#include "plan/predicate.h"

#include <gtest/gtest.h>

#include <set>

#include "plan/predicate_text.h"

namespace predictor {
namespace {

PredicateHasher hashed(std::initializer_list<std::pair<const char*, const char*>> clauses,
                       SipKey key = kPublicKey) {
  PredicateHasher hasher(key);
  for (auto [column, constant] : clauses) {
    hasher.begin_clause(PREDICTOR_ROLE_FILTER);
    hasher.token(PREDICTOR_TOKEN_COLUMN, std::string_view(column));
    hasher.value();
    hasher.content(PREDICTOR_VALUE_TEXT, constant);
    hasher.end_clause();
  }
  return hasher;
}

TEST(PredicateHasher, order_of_clauses_does_not_matter) {
  auto ab = hashed({{"a", "1"}, {"b", "2"}}), ba = hashed({{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(ab.shape, ba.shape);
  EXPECT_EQ(ab.constants, ba.constants);
  EXPECT_EQ(ab.clauses, 2u);
}

TEST(PredicateHasher, constants_belong_to_their_clause) {
  auto straight = hashed({{"a", "1"}, {"b", "2"}}), crossed = hashed({{"a", "2"}, {"b", "1"}});
  EXPECT_EQ(straight.shape, crossed.shape);
  EXPECT_NE(straight.constants, crossed.constants);
}

TEST(PredicateHasher, equal_clauses_do_not_cancel_out_and_keys_matter) {
  EXPECT_NE(hashed({{"a", "1"}, {"a", "1"}}).shape, 0u);
  PredicateHasher other = hashed({{"a", "1"}}, SipKey{1, 2});
  EXPECT_EQ(other.shape, hashed({{"a", "1"}}).shape);
  EXPECT_NE(other.constants, hashed({{"a", "1"}}).constants);
}

PredicateHasher read(std::string_view text, PredictorRole role = PREDICTOR_ROLE_FILTER) {
  PredicateHasher hasher(kPublicKey);
  hash_predicate_text(text, role, hasher);
  return hasher;
}

void expect_equal(std::string_view a, std::string_view b) {
  EXPECT_EQ(read(a).shape, read(b).shape) << a << " | " << b;
  EXPECT_EQ(read(a).constants, read(b).constants) << a << " | " << b;
}

TEST(PredicateText, splits_at_the_outer_and_only) {
  EXPECT_EQ(read("((a >= 5) AND (b <= 7))").clauses, 2u);
  EXPECT_EQ(read("((a >= 5) OR ((b <= 7) AND (c = 1)))").clauses, 1u);
  EXPECT_EQ(read("(note = 'rock AND roll'::text)").clauses, 1u);
  expect_equal("((a >= 5) AND (b <= 7))", "((b <= 7) AND (a >= 5))");
}

TEST(PredicateText, constants_and_parameters_have_one_shape) {
  for (const char* other :
       {"(a = 43)", "(a = $1)", "(a = 'it''s'::character varying(10))", "(a = 4.2e-10)",
        "(a = '2020-01-01 00:00:00'::timestamp without time zone)", "(a = NULL::integer)",
        "(a = true)", "(a = (InitPlan 1).col1)"}) {
    EXPECT_EQ(read("(a = 42)").shape, read(other).shape) << other;
    EXPECT_NE(read("(a = 42)").constants, read(other).constants) << other;
  }
}

TEST(PredicateText, what_differs_has_different_shapes) {
  std::set<uint64_t> shapes;
  const char* texts[] = {"(a = 42)",
                         "(b = 42)",
                         "(a < 42)",
                         "(\"a b\" = 42)",
                         "(a = ANY (42))",
                         "(a = ALL (42))",
                         "(f(a) = 42)",
                         "(a[1] = 42)",
                         "((a).f = 42)",
                         "(NOT (a = 42))",
                         "((a + b) = 42)",
                         "(a IS NULL)",
                         "(a IS NOT NULL)",
                         "(a = b)",
                         "(a = (SubPlan 1))",
                         "(a = (hashed SubPlan 1))",
                         "((a + (b * c)) = 1)",
                         "(((a + b) * c) = 1)"};
  for (const char* text : texts) shapes.insert(read(text).shape);
  shapes.insert(read("(a = 42)", PREDICTOR_ROLE_INDEX_CONDITION).shape);
  EXPECT_EQ(shapes.size(), std::size(texts) + 1);
}

TEST(PredicateText, names_casts_and_redundant_parentheses_are_brought_into_one_form) {
  expect_equal("(t.a = 42)", "(a = 42)");
  expect_equal("(\"T\".\"a\" = 42)", "(a = 42)");
  expect_equal("((a)::text = '1'::text)", "(a = '1'::text)");
  expect_equal("((a + 1)::numeric(10,2) > 1)", "((a + 1) > 1)");
  expect_equal("((count(*)) > 5)", "(count(*) > 5)");
  expect_equal("((PARTIAL sum(t.a)) > 5)", "(sum(a) > 5)");
  expect_equal(
      "(((CASE WHEN (a > 1) THEN b ELSE (CASE c WHEN 1 THEN d END)::text END)::text) = 'x'::text)",
      "(CASE WHEN (a > 1) THEN b ELSE CASE c WHEN 1 THEN d END END = 'x'::text)");
  expect_equal("((count(*) FILTER (WHERE (a > 1))) > 5)", "(count(*) FILTER (WHERE (a > 1)) > 5)");
  expect_equal("((f(0.5) WITHIN GROUP (ORDER BY a)) > 5)",
               "(f(0.5) WITHIN GROUP (ORDER BY a) > 5)");
  expect_equal("(((t.x).f) = 1)", "((x).f = 1)");
  expect_equal("((t.x[1]) = 1)", "(x[1] = 1)");
  expect_equal("(pg_catalog.lower(a) = '1'::text)", "(lower(a) = '1'::text)");
  expect_equal("(a OPERATOR(my.=) 42)", "(a = 42)");
  expect_equal("((a COLLATE \"C\") < 'b'::text)", "(a < 'b'::text)");
  expect_equal("(row_number() OVER (?) <= 5)", "(row_number() OVER w1 <= 5)");
}

TEST(PredicateText, values_count_by_what_they_are) {
  expect_equal("(a = 5)", "(a = '5'::bigint)");
  expect_equal("(a = 5.00)", "(a = '5'::numeric)");
  expect_equal("(a = '500'::double precision)", "(a = 5e+2)");
  expect_equal("(a = '-0.05'::real)", "(a = '-5e-02'::double precision)");
  expect_equal("(d = '2020-02-29'::date)",
               "(d = '2020-02-29 00:00:00'::timestamp without time zone)");
  expect_equal("(d = '2020-03-01 01:30:00+02'::timestamp with time zone)",
               "(d = '2020-02-29 23:30:00+00'::timestamp with time zone)");
  expect_equal("(c = 'x   '::bpchar)", "(c = 'x'::character(5))");
  expect_equal("(i = '1 year 2 mons'::interval)", "(i = '14 mons'::interval)");
  EXPECT_NE(read("(a = '05'::text)").constants, read("(a = '5'::text)").constants);
  EXPECT_NE(read("(i = '30 days'::interval)").constants, read("(i = '1 mon'::interval)").constants);
  EXPECT_NE(read("(d = '0044-03-15 BC'::date)").constants,
            read("(d = '0044-03-15'::date)").constants);
  EXPECT_NE(read("(d = 'infinity'::date)").constants, read("(d = '-infinity'::date)").constants);
  EXPECT_NE(read("(a = 'NaN'::numeric)").constants, read("(a = 'Infinity'::numeric)").constants);
}

TEST(PredicateText, lists_are_alike_up_to_the_power_of_two_of_their_length) {
  expect_equal("(a = ANY ('{1,2,3}'::integer[]))", "(a = ANY (ARRAY[1, 2, 3]))");
  expect_equal("(a = ANY ('{\"x y\",NULL,b}'::text[]))",
               "(a = ANY (ARRAY['x y'::text, NULL::text, 'b'::text]))");
  EXPECT_EQ(read("(a = ANY (ARRAY[$1, $2, $3]))").shape,
            read("(a = ANY ('{7,8}'::bigint[]))").shape);
  EXPECT_NE(read("(a = ANY ('{1,2,3}'::integer[]))").shape,
            read("(a = ANY ('{1,2,3,4}'::integer[]))").shape);
  EXPECT_NE(read("(a = ANY (ARRAY[b, 2]))").shape, read("(a = ANY ('{1,2}'::integer[]))").shape);
}

TEST(PredicateText, functions_that_sql_writes_with_words_are_functions) {
  expect_equal("(EXTRACT(year FROM d) = 2)", "(extract('year'::text, d) = 2)");
  expect_equal("(SUBSTRING(a FROM 1 FOR 2) = 'b'::text)", "(\"substring\"(a, 1, 2) = 'b'::text)");
  expect_equal("(POSITION(('b'::text) IN (a)) > 0)", "(\"position\"(a, 'b'::text) > 0)");
  expect_equal("(TRIM(BOTH 'x'::text FROM a) = 'b'::text)", "(btrim(a, 'x'::text) = 'b'::text)");
  expect_equal("((t AT TIME ZONE 'UTC'::text) > b)", "(timezone('UTC'::text, t) > b)");
  expect_equal("((a, b) OVERLAPS (c, d))", "(overlaps(a, b, c, d))");
}

TEST(PredicateText, subplans_of_all_versions_are_alike) {
  expect_equal("(hashed SubPlan 1)", "(ANY (t.a = (hashed SubPlan 1).col1))");
  expect_equal("(SubPlan 2)", "EXISTS(SubPlan 1)");
  expect_equal("(hashed SubPlan 2)", "EXISTS(hashed SubPlan 1)");
  expect_equal("(a > (SubPlan 1))", "(a > (SubPlan 3).col1)");
}

TEST(PredicateText, keys_have_no_direction_and_are_no_conditions) {
  auto key = [](std::vector<std::string_view> texts) {
    PredicateHasher hasher(kPublicKey);
    hash_keys(texts, PREDICTOR_ROLE_SORT_KEY, hasher);
    return hasher;
  };
  EXPECT_EQ(key({"t.a DESC NULLS LAST", "lower(b) COLLATE \"C\""}).shape,
            key({"a", "lower(b)"}).shape);
  EXPECT_NE(key({"a", "b"}).shape, key({"b", "a"}).shape);
  EXPECT_EQ(key({"a"}).clauses, 0u);
  EXPECT_EQ(key({"a"}).links, 0u);
}

TEST(PredicateText, selection_and_links_do_not_depend_on_who_evaluates_them) {
  auto filter = read("((a = 5) AND (b = c))");
  auto condition = read("(a = 5)", PREDICTOR_ROLE_INDEX_CONDITION);
  EXPECT_NE(filter.shape, condition.shape);
  EXPECT_EQ(filter.selection, condition.selection);
  EXPECT_EQ(filter.constants, condition.constants);
  EXPECT_EQ(filter.links, read("(b = c)", PREDICTOR_ROLE_JOIN_FILTER).links);
  EXPECT_EQ(condition.links, 0u);
}

TEST(PredicateText, coarse_constants_are_shared_by_those_alike) {
  EXPECT_EQ(read("(a > 1000)").coarse, read("(a > 1010)").coarse);
  EXPECT_EQ(read("(a > 1000)").coarse, read("(a > '1000'::bigint)").coarse);
  EXPECT_NE(read("(a > 1000)").coarse, read("(a > 2000)").coarse);
  EXPECT_NE(read("(a > 1000)").coarse, read("(a > '-1000'::integer)").coarse);
  EXPECT_NE(read("(a = 3)").coarse, read("(a = 4)").coarse);
  EXPECT_EQ(read("(d < '2010-07-01'::date)").coarse,
            read("(d < '2010-07-30 11:12:13'::timestamp without time zone)").coarse);
  EXPECT_NE(read("(d < '2010-07-31'::date)").coarse, read("(d < '2010-08-01'::date)").coarse);
  EXPECT_NE(read("(d < '2010-08-01'::date)").coarse, read("(d < '2011-08-01'::date)").coarse);
  EXPECT_NE(read("(a = 'x'::text)").coarse, read("(a = 'y'::text)").coarse);
}

TEST(PredicateText, survives_any_text) {
  for (const char* text : {"",
                           "(",
                           ")",
                           "'",
                           "((",
                           "\"",
                           "::",
                           "$",
                           "AND",
                           "a AND",
                           "(AND)",
                           "'x'::",
                           "ARRAY[",
                           "E'\\",
                           "(a = 'x'::numeric(10",
                           "((((((a)",
                           "]",
                           "[",
                           "f(",
                           "OPERATOR(",
                           "a AT TIME",
                           "COLLATE",
                           "TRIM(FROM a)",
                           "EXTRACT()",
                           "'{'::int[]",
                           "'{\"'::text[]",
                           "(x).",
                           "$1.",
                           ",,"})
    read(text);
  read(std::string(100000, '('));
  read(std::string(100000, '(') + "a" + std::string(100000, ')'));
}

}  // namespace
}  // namespace predictor
