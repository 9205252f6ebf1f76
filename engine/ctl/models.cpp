#include <algorithm>
#include <iostream>

#include "engine/ctl/commands.h"

namespace predictor::engine::ctl {
namespace {

void print_table(const Row& head, const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < head.size(); c++) {
    widths.push_back(head[c]->size());
    for (const Row& row : rows) widths[c] = std::max(widths[c], row[c].value_or("").size());
  }
  const auto print = [&widths](const Row& row) {
    std::string line;
    for (size_t c = 0; c < row.size(); c++) {
      const std::string text = row[c].value_or("");
      line += text + std::string(widths[c] - text.size() + 2, ' ');
    }
    std::cout << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  };
  print(head);
  for (const Row& row : rows) print(row);
}

}  // namespace

int run_models(Database& database) {
  const auto rows = database.query(
      "SELECT m.name, m.template, m.active_version, m.origin, m.versions,"
      " to_char(m.trained_at, 'YYYY-MM-DD HH24:MI'), v.plans, round((v.validation ->> "
      "'q50')::numeric, 2),"
      " round((v.validation ->> 'q95')::numeric, 2), CASE WHEN m.auto_train THEN 'yes' ELSE 'no' "
      "END,"
      " coalesce(d.reason, '')"
      " FROM predictor.models m LEFT JOIN predictor.model_versions v ON v.model = m.name AND "
      "v.active"
      " LEFT JOIN predictor.training_due() d ON d.model = m.name ORDER BY m.name");
  if (!rows) return fail(rows.error());
  print_table({"model", "template", "active", "origin", "versions", "trained", "plans", "q50",
               "q95", "auto", "due"},
              rows.value());
  return 0;
}

int run_train(Database& database, const std::string& model, bool waits, bool promotes) {
  const auto rows = database.query(
      "SELECT job, state, version, plans, promoted, round((validation ->> 'q50')::numeric, 2),"
      " round((baseline ->> 'q50')::numeric, 2), verdict ->> 'reason'"
      " FROM predictor.train($1, wait => $2::boolean, promote => $3::boolean)",
      {model, waits ? "t" : "f", promotes ? "t" : "f"});
  if (!rows) return fail(rows.error());
  const Row& row = rows.value().at(0);
  if (!waits) {
    std::cout << "job " << *row[0] << " is " << *row[1] << '\n';
    return 0;
  }
  std::cout << "version " << row[2].value_or("?") << " of " << model << ", trained on "
            << row[3].value_or("?") << " statements: q-error " << row[5].value_or("?")
            << " at the median, the planner's cost " << row[6].value_or("?") << '\n'
            << (row[4] == "t" ? "promoted: " : "not promoted: ") << row[7].value_or("") << '\n';
  return 0;
}

int run_activate(Database& database, const std::string& model, int version) {
  const auto rows = database.query("SELECT predictor.activate($1, $2::integer)",
                                   {model, std::to_string(version)});
  if (!rows) return fail(rows.error());
  std::cout << "version " << version << " of " << model << " answers\n";
  return 0;
}

}  // namespace predictor::engine::ctl
