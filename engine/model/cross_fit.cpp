#include "engine/model/cross_fit.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace predictor::engine {

std::vector<Split> withhold_in_turn(const Dataset& data, int networks, double share,
                                    uint64_t seed) {
  std::vector<int> rest(static_cast<size_t>(data.plans()));  // not withheld yet
  std::iota(rest.begin(), rest.end(), 0);
  std::vector<int> before;
  std::vector<Split> splits;
  for (int i = 0; i < networks; i++) {
    const double of_rest = share * data.plans() / std::max<double>(1, rest.size());
    Split split = split_by(data.group, rest, of_rest, seed + static_cast<uint64_t>(i));
    if (split.held_out.empty()) break;
    rest = split.training;
    split.training.insert(split.training.end(), before.begin(), before.end());
    before.insert(before.end(), split.held_out.begin(), split.held_out.end());
    splits.push_back(std::move(split));
  }
  return splits;
}

KnownContent only_met(KnownContent known, const KnownContent& met) {
  for (int t = 0; t < kIdentityCount; t++) {
    const std::set<uint64_t> kept(met.identities[t].begin(), met.identities[t].end());
    for (uint64_t& identity : known.identities[t])
      if (!kept.contains(identity)) identity = 0;
  }
  known.signatures = met.signatures;
  known.queries = met.queries;
  return known;
}

void forget_unmet(const KnownContent& known, NetworkWeights& weights) {
  for (int t = 0; t < kIdentityCount; t++) {
    std::vector<float>& table = weights.identity[t];
    const auto row = [&](size_t number) {
      return table.begin() + static_cast<std::ptrdiff_t>(number * weights.hidden);
    };
    for (size_t i = 0; i < known.identities[t].size(); i++)
      if (known.identities[t][i] == 0)
        std::copy_n(row(kUnknownIdentity), weights.hidden, row(kFirstIdentity + i));
  }
}

}  // namespace predictor::engine
