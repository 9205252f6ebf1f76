#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <tuple>

#include "engine/ctl/commands.h"
#include "engine/ctl/plan_lines.h"
#include "engine/ctl/progress.h"
#include "engine/json_text.h"
#include "engine/lines.h"

namespace predictor::engine::ctl {
namespace {

using nlohmann::json;

constexpr int kRetries = 100;  // of a full ring, a flush apart

// What tells one execution from another well enough: its time to the last digit, its cost and size.
using Fingerprint = std::tuple<double, double, int64_t>;

int64_t count_nodes(const json& node) {
  int64_t count = 1;
  if (node.contains("Plans"))
    for (const json& child : node["Plans"]) count += count_nodes(child);
  return count;
}

class Importer {
 public:
  Importer(Database& database, const ImportCommand& command)
      : database_(database), command_(command), progress_(command.shows_progress) {}

  Failure load_known() {
    return database_.each_row(
        "SELECT coalesce(total_ms, 'NaN'), total_cost, nodes FROM predictor.executions",
        [this](const Row& row) {
          known_.emplace(std::stod(*row[0]), std::stod(*row[1]), std::stoll(*row[2]));
          return true;
        });
  }

  Failure read(const std::string& file) {
    PlanFinder finder([this](const std::string& text, size_t line) { take(text, line); },
                      [this](const std::string& reason, size_t line) { reject(reason, line); });
    file_ = file;
    progress_.begin(file);
    Failure failure = read_lines(file, [&](std::string_view line) {
      progress_.line_read(line.size());
      finder.line(line);
      progress_.draw(imported_);
      return !fatal_;
    });
    if (!failure) finder.finish();
    progress_.end(imported_);
    return fatal_ ? fatal_ : failure;
  }

  // Prints the sums.
  int finish() {
    if (rejected_ > command_.bad_lines_shown)
      std::cerr << "... and " << rejected_ - command_.bad_lines_shown << " more\n";
    std::cout << imported_ << " imported, " << duplicates_ << " duplicates skipped, " << rejected_
              << " not usable\n";
    return imported_ + duplicates_ > 0 || rejected_ == 0 ? 0 : 1;
  }

 private:
  void reject(const std::string& reason, size_t line) {
    if (++rejected_ > command_.bad_lines_shown) return;
    progress_.make_room();
    std::cerr << file_ << ":" << line << ": " << reason << '\n';
  }

  void take(const std::string& text, size_t line) {
    if (fatal_) return;
    const json plan = json::parse(text, nullptr, false);
    const Fingerprint mark(json_real(plan, "Execution Time"), json_real(plan["Plan"], "Total Cost"),
                           count_nodes(plan["Plan"]));
    if (!std::isnan(std::get<0>(mark)) && !known_.insert(mark).second) {
      duplicates_++;
      return;
    }
    store(text, line);
  }

  void store(const std::string& text, size_t line) {
    for (int attempt = 0;; attempt++) {
      const auto rows =
          database_.query("SELECT signature FROM predictor.import_plan($1::jsonb)", {text});
      if (rows) {
        imported_++;
        return;
      }
      const std::string& code = rows.error().code;
      if (code == "53000" && attempt < kRetries) {
        // The ring is full: what is in it goes into the tables first.
        const auto flushed = database_.query("SELECT predictor.flush()");
        if (flushed) continue;
      }
      // A plan may be bad (class 22); everything else will not be better with the next one.
      if (code.rfind("22", 0) == 0)
        reject(first_line(rows.error().message), line);
      else
        fatal_ = rows.error();
      return;
    }
  }

  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  Database& database_;
  const ImportCommand& command_;
  Progress progress_;
  std::string file_;
  std::set<Fingerprint> known_;
  Failure fatal_;
  int imported_ = 0, duplicates_ = 0, rejected_ = 0;
};

}  // namespace

int run_import(Database& database, const ImportCommand& command) {
  Importer importer(database, command);
  if (const Failure failure = importer.load_known()) return fail(*failure);
  int status = 0;
  for (const std::string& file : command.files) {
    if (const Failure failure = importer.read(file)) status = fail(*failure);
  }
  const auto flushed = database.query("SELECT predictor.flush()");
  if (!flushed) status = fail(flushed.error());
  return std::max(status, importer.finish());
}

int run_export(Database& database, const std::string& file) {
  std::ofstream opened;
  if (file != "-") {
    opened.open(file, std::ios::trunc);
    if (!opened) return fail(Error{"file", "could not write " + file});
  }
  std::ostream& out = file == "-" ? std::cout : opened;
  const Failure failure =
      database.each_row("SELECT line FROM predictor.traces", [&out](const Row& row) {
        out << *row[0] << '\n';
        return out.good();
      });
  if (failure) return fail(*failure);
  out.flush();
  if (!out)
    return fail(
        Error{"file", "could not write " + (file == "-" ? std::string("standard output") : file)});
  return 0;
}

}  // namespace predictor::engine::ctl
