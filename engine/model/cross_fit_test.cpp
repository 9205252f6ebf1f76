// What is withheld from which network, and what it then does not know.
#include "engine/model/cross_fit.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>

#include "engine/model/test_workload.h"
#include "plan/test_model.h"

namespace predictor::engine {
namespace {

std::set<uint64_t> groups_of(const Dataset& data, const std::vector<int>& plans) {
  std::set<uint64_t> groups;
  for (int p : plans) groups.insert(data.group[p]);
  return groups;
}

TEST(WithholdInTurn, withholds_each_group_from_one_network_at_most) {
  auto records = test::Workload(3).run(8, 10);
  const size_t once = records.size();
  for (size_t i = 0; i < once; i++) records.push_back(records[i]);
  const Dataset data = encode_dataset(records);
  const std::vector<Split> splits = withhold_in_turn(data, 3, 0.1, 5);
  ASSERT_EQ(splits.size(), 3u);
  std::set<int> withheld;
  for (const Split& split : splits) {
    EXPECT_EQ(split.training.size() + split.held_out.size(), records.size());
    EXPECT_NEAR(static_cast<double>(split.held_out.size()), 0.1 * records.size(), 2);
    const auto held = groups_of(data, split.held_out);
    for (uint64_t group : groups_of(data, split.training)) EXPECT_FALSE(held.contains(group));
    for (int p : split.held_out) EXPECT_TRUE(withheld.insert(p).second) << "withheld twice";
    std::set<int> all(split.training.begin(), split.training.end());
    all.insert(split.held_out.begin(), split.held_out.end());
    EXPECT_EQ(all.size(), records.size());
  }
}

TEST(WithholdInTurn, withholds_from_fewer_where_there_is_too_little) {
  std::vector<OwnedRecord> records(12, test::Workload(3).execute(1, false));
  EXPECT_TRUE(withhold_in_turn(encode_dataset(records), 2, 0.12, 1).empty()) << "one group";
  // Of groups that are each more than the share and one that is tiny, that alone.
  records = test::Workload(3).run(5, 1);
  const size_t tiny = records.size() - 1;
  for (int i = 0; i < 200; i++)
    for (size_t large = 0; large < tiny; large++) records.push_back(records[large]);
  const std::vector<Split> splits = withhold_in_turn(encode_dataset(records), 2, 0.12, 1);
  ASSERT_EQ(splits.size(), 1u);
  EXPECT_EQ(splits[0].held_out, std::vector<int>{static_cast<int>(tiny)});
}

TEST(OnlyMet, leaves_every_identity_at_its_row) {
  Dataset data;
  for (uint64_t plan : {0, 1, 2}) {
    data.signature.push_back(20 + plan);
    data.query.push_back(7 + plan);
    data.first.push_back(static_cast<int>(plan));
    for (int t = 0; t < kIdentityCount; t++) data.identity.push_back(11 + plan);
  }
  data.first.push_back(3);
  KnownContent known;
  for (auto& identities : known.identities) identities = {11, 12, 13};
  known.signatures = {20, 21, 22};
  known.queries = {9, 8, 7};
  const KnownContent kept = only_met(known, data, std::vector<int>{0, 2});
  for (const auto& identities : kept.identities)
    EXPECT_EQ(identities, (std::vector<uint64_t>{11, 0, 13}));
  EXPECT_EQ(kept.signatures, (std::vector<uint64_t>{20, 22}));
  EXPECT_EQ(kept.queries, (std::vector<uint64_t>{9, 7}));

  const std::vector<std::byte> section = write_known(kept);
  std::vector<uint64_t> aligned((section.size() + 7) / 8);
  std::memcpy(aligned.data(), section.data(), section.size());
  Known opened;
  ASSERT_TRUE(opened.open({reinterpret_cast<const std::byte*>(aligned.data()), section.size()}));
  EXPECT_EQ(opened.row(0, 11), uint32_t{kFirstIdentity});
  EXPECT_EQ(opened.row(0, 12), uint32_t{kUnknownIdentity});
  EXPECT_EQ(opened.row(0, 13), uint32_t{kFirstIdentity + 2});
}

TEST(ForgetUnmet, makes_what_was_not_met_unknown) {
  std::mt19937 random(4);
  NetworkWeights weights = predictor::test::random_weights(random, 16, 16);
  weights.identity_rows[1] = kFirstIdentity + 2;
  weights.identity[1].resize(size_t{weights.identity_rows[1]} * 16, 0.5f);
  const NetworkWeights before = weights;
  KnownContent known;
  known.identities[1] = {0, 22};
  forget_unmet(known, weights);
  const auto row = [](const NetworkWeights& w, int number) {
    return std::vector<float>(w.identity[1].begin() + number * 16,
                              w.identity[1].begin() + (number + 1) * 16);
  };
  EXPECT_EQ(row(weights, kFirstIdentity), row(before, kUnknownIdentity));
  EXPECT_EQ(row(weights, kFirstIdentity + 1), row(before, kFirstIdentity + 1));
  EXPECT_EQ(weights.identity[0], before.identity[0]);
}

}  // namespace
}  // namespace predictor::engine
