// commands.h - predictorctl's sub-commands; each returns the process's exit status.
//
// Statuses: 0 it worked; 1 it did not, or (doctor) something deserves attention; 2 wrong usage, or
// (doctor) something does not work.
#ifndef PREDICTOR_ENGINE_CTL_COMMANDS_H
#define PREDICTOR_ENGINE_CTL_COMMANDS_H

#include <string>
#include <vector>

#include "engine/ctl/database.h"

namespace predictor::engine::ctl {

// Prints the error and returns 1.
int fail(const Error& error);

int run_models(Database& database);
int run_train(Database& database, const std::string& model, bool waits, bool promotes);
int run_activate(Database& database, const std::string& model, int version);

struct ImportCommand {
  std::vector<std::string> files;  // "-": standard input
  bool shows_progress = false;
  int bad_lines_shown = 20;
};
int run_import(Database& database, const ImportCommand& command);

// `file` "-": standard output.
int run_export(Database& database, const std::string& file);

// Connects by itself, since not being able to is a finding.
int run_doctor(const std::string& conninfo, bool asks_engine);

}  // namespace predictor::engine::ctl

#endif
