// database.h - predictorctl's connection to PostgreSQL: libpq behind values and Results.
//
// One statement at a time, its rows as texts. Notices go to standard error as they come.
#ifndef PREDICTOR_ENGINE_CTL_DATABASE_H
#define PREDICTOR_ENGINE_CTL_DATABASE_H

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"

struct pg_conn;

namespace predictor::engine::ctl {

using Field = std::optional<std::string>;  // nothing: NULL
using Row = std::vector<Field>;

class Database {
 public:
  // `conninfo` as psql's -d takes it: a database's name, a connection string or a URI.
  static Result<Database> connect(const std::string& conninfo);

  // Error.code is the SQLSTATE, or "connection" if the server is gone.
  Result<std::vector<Row>> query(const std::string& sql,
                                 const std::vector<std::string>& values = {});

  // The same for one row after the other, none of which stays in memory; false ends the reading.
  Failure each_row(const std::string& sql, const std::function<bool(const Row&)>& visit);

 private:
  explicit Database(pg_conn* connection);
  Error last_error(const char* sqlstate) const;

  std::unique_ptr<pg_conn, void (*)(pg_conn*)> connection_;
};

}  // namespace predictor::engine::ctl

#endif
