// session.h - one client's connection: TLS, HTTP, deadlines and limits. For server.cpp only.
//
// Each session is one coroutine on a strand of its own. Whatever may wait for the disk or a lock,
// or computes, runs in one of the executors; the strand is free meanwhile.
#ifndef PREDICTOR_ENGINE_SESSION_H
#define PREDICTOR_ENGINE_SESSION_H

#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <utility>  // Asio 1.74's awaitable.hpp needs it and does not include it

#include "engine/access.h"
#include "engine/api.h"
#include "engine/executor.h"
#include "engine/live_settings.h"
#include "engine/metrics.h"
#include "engine/opengauss/routes.h"
#include "engine/tls.h"

namespace predictor::engine {

class Session;

// What sessions share. Outlives them all.
struct SessionContext {
  const LiveSettings& settings;
  Api& api;
  opengauss::Routes& opengauss;
  const ServerTls& tls;
  const Access& access;
  Metrics& metrics;
  Executor& disk;
  Executor& prediction;
  Executor& long_running;

  // The sessions there are; each one registers itself for as long as it lives.
  std::mutex mutex;
  std::condition_variable changed;
  std::set<Session*> sessions;
  bool is_draining = false;
};

// Takes the accepted connection over; its executor must be a strand.
void start_session(SessionContext& context, boost::asio::ip::tcp::socket socket);

// Asks every session to end, those to come as well: idle ones at once, the others after the request
// they are serving.
void drain_sessions(SessionContext& context);

// Has every session look again who its client is, now that ServerTls, Access and the settings have
// changed; before its next request, or at once where none is being served. A session whose client
// would not be let in any more ends, the others go on.
void renew_sessions(SessionContext& context);

}  // namespace predictor::engine

#endif
