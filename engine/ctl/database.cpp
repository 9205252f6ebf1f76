#include "engine/ctl/database.h"

#include <libpq-fe.h>

#include <iostream>

namespace predictor::engine::ctl {
namespace {

using Answer = std::unique_ptr<PGresult, void (*)(PGresult*)>;

Answer own(PGresult* result) { return {result, PQclear}; }

std::string without_newline(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void print_notice(void*, const char* message) { std::cerr << message; }

Row row_of(const PGresult* result, int row) {
  Row fields;
  for (int column = 0; column < PQnfields(result); column++) {
    if (PQgetisnull(result, row, column))
      fields.emplace_back();
    else
      fields.emplace_back(PQgetvalue(result, row, column));
  }
  return fields;
}

}  // namespace

Database::Database(pg_conn* connection) : connection_(connection, PQfinish) {}

Result<Database> Database::connect(const std::string& conninfo) {
  const char* keywords[] = {"dbname", "fallback_application_name", nullptr};
  const char* values[] = {conninfo.c_str(), "predictorctl", nullptr};
  Database database(PQconnectdbParams(keywords, values, 1));
  if (PQstatus(database.connection_.get()) != CONNECTION_OK) {
    return Error{"connection", without_newline(PQerrorMessage(database.connection_.get()))};
  }
  PQsetNoticeProcessor(database.connection_.get(), print_notice, nullptr);
  return database;
}

Error Database::last_error(const char* sqlstate) const {
  return Error{sqlstate != nullptr ? sqlstate : "connection",
               without_newline(PQerrorMessage(connection_.get()))};
}

Result<std::vector<Row>> Database::query(const std::string& sql,
                                         const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  const Answer answer =
      own(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                       pointers.data(), nullptr, nullptr, 0));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    return last_error(PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE));
  }
  std::vector<Row> rows;
  for (int i = 0; i < PQntuples(answer.get()); i++) rows.push_back(row_of(answer.get(), i));
  return rows;
}

Failure Database::each_row(const std::string& sql, const std::function<bool(const Row&)>& visit) {
  if (!PQsendQuery(connection_.get(), sql.c_str()) || !PQsetSingleRowMode(connection_.get())) {
    return last_error(nullptr);
  }
  Failure failure;
  bool wanted = true;
  while (PGresult* result = PQgetResult(connection_.get())) {
    const Answer answer = own(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_SINGLE_TUPLE) {
      if (wanted) wanted = visit(row_of(result, 0));
    } else if (status != PGRES_TUPLES_OK && !failure) {
      failure = last_error(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    }
  }
  return failure;
}

}  // namespace predictor::engine::ctl
