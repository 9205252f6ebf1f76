// passphrase.h - the command that tells the passphrase of a private key, as PostgreSQL's
// ssl_passphrase_command does: run by /bin/sh, %p in it is a prompt and %% a percent sign, the
// passphrase is the first line that it prints, and any exit status but 0 is a failure. Unlike
// PostgreSQL's it is given no terminal, since a reload has none.
#ifndef PREDICTOR_ENGINE_PASSPHRASE_H
#define PREDICTOR_ENGINE_PASSPHRASE_H

#include <chrono>
#include <string>

#include "engine/error.h"

namespace predictor::engine {

// Replaces %p and %%; any other use of a percent sign is an error.
Result<std::string> expand_passphrase_command(const std::string& command,
                                              const std::string& prompt);

// Runs the command and waits for its end; kills it, and whatever it started, at the deadline.
// The caller wipes the passphrase (OPENSSL_cleanse).
Result<std::string> run_passphrase_command(
    const std::string& command, const std::string& prompt,
    std::chrono::milliseconds deadline = std::chrono::seconds(30));

}  // namespace predictor::engine

#endif
