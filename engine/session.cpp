#include "engine/session.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <limits>

#include "engine/log.h"
#include "engine/text.h"
#include "engine/version.h"

namespace predictor::engine {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
template <class T>
using Task = asio::awaitable<T>;

constexpr size_t kPieceSize = 256 << 10;
constexpr auto kLinger = std::chrono::seconds(2);          // for a refused upload to notice
constexpr auto kGoodbye = std::chrono::milliseconds(300);  // for TLS to close

// A body that comes slower than this, after a first grace, is a client that is stuck.
constexpr size_t kLeastBytesPerSecond = 1024;

// Runs `work` in the executor; the coroutine goes on, where it ran before, with what it returned.
// Nothing, and the work is not done, if the executor is full or has no time for it until `end`.
template <class Work>
Task<std::optional<std::invoke_result_t<Work>>> run_in(Executor& executor, Clock::time_point end,
                                                       Work work) {
  using Value = std::optional<std::invoke_result_t<Work>>;
  if (!executor.take()) co_return std::nullopt;
  auto start = [&executor, end](auto handler, Work job) {
    auto home = asio::get_associated_executor(handler);
    executor.post([handler = std::move(handler), job = std::move(job), end,
                   guard = asio::make_work_guard(home)]() mutable {
      std::exception_ptr problem;
      Value value;
      try {
        if (Clock::now() < end) value = job();
      } catch (...) {
        problem = std::current_exception();  // rethrown in the coroutine
      }
      asio::post(guard.get_executor(),
                 [handler = std::move(handler), problem, value = std::move(value)]() mutable {
                   handler(problem, std::move(value));
                 });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                          void(std::exception_ptr, Value)>(
      start, asio::use_awaitable, std::move(work));
}

// What the client sent is wrong, as opposed to what became of the connection.
bool is_http_error(const error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category();
}

// Our certificates for one more connection; OpenSSL counts who uses them.
asio::ssl::context share(const std::shared_ptr<ssl_ctx_st>& tls) {
  SSL_CTX_up_ref(tls.get());
  return asio::ssl::context(tls.get());
}

const Error kBusy{"busy", "the engine has too much to do; ask again in a moment", 503, 1};
const Error kOpenGaussOnly{
    "namespace_forbidden",
    "clients whose certificates were made for openGauss reach openGauss's routes alone", 403};

}  // namespace

// Ends a session: there is nobody to answer. Caught in run(), which logs the reason.
struct ClientGone {
  std::string reason;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // The caller holds the context's lock.
  Session(SessionContext& context, asio::ip::tcp::socket socket)
      : context_(context),
        settings_(context.settings.current()),
        tls_(share(context.tls.current())),
        stream_(beast::tcp_stream(std::move(socket)), tls_) {
    error_code ignored;
    const auto peer = tcp().socket().remote_endpoint(ignored);
    peer_ = ignored ? "a client" : peer.address().to_string() + ":" + std::to_string(peer.port());
    tcp().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    // openGauss's kernel waits for a training without a word, perhaps for hours.
    tcp().socket().set_option(asio::socket_base::keep_alive(true), ignored);
    context_.metrics.count_connection();
    context_.sessions.insert(this);
    is_draining_ = context_.is_draining;
  }

  ~Session() {
    const std::lock_guard lock(context_.mutex);
    context_.sessions.erase(this);
    context_.changed.notify_all();
  }

  void start() {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this()] { return self->run(); },
        asio::detached);
  }

  // The caller holds the context's lock, so that the session exists; it may be about to end.
  void drain() {
    post_to_strand([](Session& self) { self.end_soon(); });
  }
  void renew() {
    post_to_strand([](Session& self) {
      self.is_outdated_ = true;
      if (self.is_idle_) self.look_again();
    });
  }

 private:
  using Parser = http::request_parser<http::buffer_body>;

  beast::tcp_stream& tcp() { return beast::get_lowest_layer(stream_); }

  template <class Work>
  void post_to_strand(Work work) {
    asio::post(stream_.get_executor(), [weak = weak_from_this(), work] {
      if (const std::shared_ptr<Session> self = weak.lock()) work(*self);
    });
  }
  void end_soon() {
    is_draining_ = true;
    if (is_idle_) tcp().cancel();
  }
  void look_again();

  Task<void> run();
  Task<bool> handshake();
  Task<bool> serve_request();
  Task<bool> wait_for_request();
  Task<bool> read_header(Parser& parser);
  Response refusal(const Error& error) const;
  Task<Response> answer(Parser& parser, const RequestHead& head, Decision& decision);
  Task<std::optional<Response>> receive_body(Parser& parser, Intake* intake);
  Task<Failure> take(Intake& intake, size_t filled, Clock::time_point end);
  Task<Response> finish(Intake& intake);
  Task<size_t> read_piece(Parser& parser, Clock::time_point start, size_t received,
                          error_code& error);
  Task<void> write(std::string text);
  Task<void> send_continue();
  Task<void> send(Response response, bool keep_alive);
  Task<void> linger();
  Task<void> let_alert_through();
  Task<void> close();

  SessionContext& context_;
  std::shared_ptr<const Settings> settings_;  // taken anew for each request
  asio::ssl::context tls_;
  beast::ssl_stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::vector<std::byte> piece_;
  std::string peer_;
  Result<Caller> caller_ = Error{"no_client_name", "", 403};
  bool is_opengauss_ = false;  // the request is for one of openGauss's routes
  bool is_idle_ = false;       // waits for the first byte of a request
  bool is_outdated_ = false;  // certificates or settings have changed since we looked at the client
  bool is_draining_ = false;
};

void start_session(SessionContext& context, asio::ip::tcp::socket socket) {
  std::shared_ptr<Session> session;
  {
    // Whoever gets the certificates of before a change is registered before renew_sessions().
    const std::lock_guard lock(context.mutex);
    session = std::make_shared<Session>(context, std::move(socket));
  }
  session->start();
}

void renew_sessions(SessionContext& context) {
  const std::lock_guard lock(context.mutex);
  for (Session* session : context.sessions) session->renew();
}

void drain_sessions(SessionContext& context) {
  const std::lock_guard lock(context.mutex);
  context.is_draining = true;
  for (Session* session : context.sessions) session->drain();
}

Task<void> Session::run() {
  try {
    if (!co_await handshake()) co_return;
    bool is_open = true;
    while (is_open) {
      if (is_outdated_) look_again();
      if (is_draining_) break;
      is_open = co_await serve_request();
    }
    if (is_open) co_await close();
  } catch (const ClientGone& gone) {
    log_warning(peer_ + ": " + gone.reason);
  } catch (const std::exception& problem) {
    log_error("connection from " + peer_ + ": " + problem.what());
  }
}

Task<bool> Session::handshake() {
  error_code error;
  tcp().expires_after(settings_->deadlines.handshake);
  co_await stream_.async_handshake(asio::ssl::stream_base::server,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    const bool is_openssl = error.category() == asio::error::get_ssl_category();
    const std::string problem = handshake_problem(
        stream_.native_handle(), is_openssl ? static_cast<unsigned long>(error.value()) : 0);
    log_warning("refused " + peer_ + ": " + (problem.empty() ? error.message() : problem));
    context_.metrics.count_refused_connection("tls");
    co_await let_alert_through();
    co_return false;
  }
  caller_ = context_.access.identify(stream_.native_handle());
  if (caller_) {
    peer_ = caller_.value().name + " (" + peer_ + ")";
  } else {
    context_.metrics.count_refused_connection("name");
  }
  co_return true;
}

// Costs less than the handshake did, and is as seldom as somebody changes certificates.
void Session::look_again() {
  is_outdated_ = false;
  const std::string problem = context_.tls.verify_again(stream_.native_handle());
  if (problem.empty()) {
    caller_ = context_.access.identify(stream_.native_handle());
  } else {
    log_warning(peer_ + " is no longer let in: " + problem);
    end_soon();
  }
}

// One request and its answer; false if the connection is done with.
Task<bool> Session::serve_request() {
  if (!co_await wait_for_request()) co_return false;
  settings_ = context_.settings.current();
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(settings_->limits.header_bytes));
  // Bodies are counted by whoever takes them. (Beast 1.74 takes "none" for 0.)
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  if (!co_await read_header(parser)) co_return false;

  RequestHead head;
  head.method = std::string(parser.get().method_string());
  head.target = std::string(parser.get().target());
  head.content_type = std::string(parser.get()[http::field::content_type]);
  head.content_sha256 = std::string(parser.get()["X-Content-SHA256"]);
  head.is_chunked = parser.chunked();
  if (const auto length = parser.content_length()) head.content_length = *length;

  const Clock::time_point start = Clock::now();
  Decision decision;
  Response response = co_await answer(parser, head, decision);
  const std::chrono::duration<double> taken = Clock::now() - start;
  const bool is_known = std::string_view(decision.route) != "other";
  context_.metrics.count_request(decision.route, is_known ? head.method : "other", response.status,
                                 taken.count());
  if (response.status >= 400) {
    log_warning(peer_ + ": " + printable(head.method + " " + head.target) + ": " +
                std::to_string(response.status) + " " + response.body);
  }
  if (head.method == "HEAD") response.body.clear();
  const bool is_whole = parser.is_done();
  const bool keep_alive = parser.get().keep_alive() && is_whole && !is_draining_;
  co_await send(std::move(response), keep_alive);
  if (keep_alive) co_return true;
  if (!is_whole) co_await linger();
  co_await close();
  co_return false;
}

Task<bool> Session::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  error_code error;
  tcp().expires_after(settings_->deadlines.idle);
  is_idle_ = true;
  const size_t got = co_await stream_.async_read_some(
      buffer_.prepare(4096), asio::redirect_error(asio::use_awaitable, error));
  is_idle_ = false;
  buffer_.commit(got);
  if (!error) co_return true;
  // The client left, was silent for too long, or we are draining: in any case, goodbye.
  if (is_draining_ || error == asio::error::eof) co_await close();
  co_return false;
}

Task<bool> Session::read_header(Parser& parser) {
  error_code error;
  tcp().expires_after(settings_->deadlines.header);
  co_await http::async_read_header(stream_, buffer_, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_return true;
  const std::string reason = "no readable request header: " + error.message();
  Error refusal{"bad_request", "the request is not HTTP/1.1 as it should be: " + error.message(),
                400};
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    refusal = {"header_too_large",
               "the request header is larger than " +
                   std::to_string(settings_->limits.header_bytes) + " bytes",
               431};
  } else if (!is_http_error(error) || error == http::error::end_of_stream) {
    throw ClientGone{reason};  // the network, not the content
  }
  log_warning(peer_ + ": " + reason);
  co_await send(error_response(refusal), false);
  co_await linger();
  co_await close();
  co_return false;
}

// openGauss's kernel could take one of our own error messages for an answer.
Response Session::refusal(const Error& error) const {
  return is_opengauss_ ? opengauss::Routes::refusal(error) : error_response(error);
}

Task<Response> Session::answer(Parser& parser, const RequestHead& head, Decision& decision) {
  is_opengauss_ = opengauss::Routes::serves(head.target);
  if (!caller_) co_return refusal(caller_.error());
  if (!is_opengauss_ && caller_.value().is_opengauss_only) co_return refusal(kOpenGaussOnly);
  if (Api::decides_at_once(head)) {
    decision = context_.api.decide(caller_.value(), head);
  } else {
    auto decided =
        co_await run_in(context_.disk, Clock::now() + settings_->deadlines.request, [this, &head] {
          return is_opengauss_ ? context_.opengauss.decide(caller_.value(), head)
                               : context_.api.decide(caller_.value(), head);
        });
    if (!decided) co_return refusal(kBusy);
    decision = std::move(*decided);
  }
  Intake* intake = decision.intake.get();
  // The body of a refused upload is not worth reading.
  if (intake == nullptr && decision.answer.status >= 400) co_return std::move(decision.answer);
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) co_await send_continue();
  std::optional<Response> refused = co_await receive_body(parser, intake);
  if (refused) co_return std::move(*refused);
  piece_ = {};  // an idle connection should hold little memory
  if (intake == nullptr) co_return std::move(decision.answer);
  co_return co_await finish(*intake);
}

// Nothing if the whole body came and was taken; without an intake it is dropped.
Task<std::optional<Response>> Session::receive_body(Parser& parser, Intake* intake) {
  const Clock::time_point start = Clock::now();
  size_t received = 0;
  parser.eager(true);
  while (!parser.is_done()) {
    error_code error;
    const size_t filled = co_await read_piece(parser, start, received, error);
    if (is_http_error(error)) {
      co_return refusal(
          {"bad_request", "the request's body is not as its header says: " + error.message(), 400});
    }
    if (error) throw ClientGone{"the request's body did not arrive: " + error.message()};
    received += filled;
    if (intake == nullptr) {
      if (received <= settings_->limits.body_bytes) continue;
      co_return refusal({"body_too_large", "this request takes no such body", 413});
    }
    const Failure failure =
        co_await take(*intake, filled, Clock::now() + settings_->deadlines.request);
    if (failure) co_return refusal(*failure);
  }
  co_return std::nullopt;
}

Task<Failure> Session::take(Intake& intake, size_t filled, Clock::time_point end) {
  const std::span<const std::byte> content(piece_.data(), filled);
  if (intake.place() == Intake::Place::kPrediction) co_return intake.write(content);
  auto taken =
      co_await run_in(context_.disk, end, [&intake, content] { return intake.write(content); });
  co_return taken ? *taken : Failure(kBusy);
}

Task<Response> Session::finish(Intake& intake) {
  Executor* executor = &context_.disk;
  Clock::time_point end = Clock::now() + settings_->deadlines.request;
  if (intake.place() == Intake::Place::kPrediction) executor = &context_.prediction;
  if (intake.place() == Intake::Place::kLong) {
    executor = &context_.long_running;
    end = Clock::time_point::max();
  }
  auto response = co_await run_in(*executor, end, [&intake] { return intake.finish(); });
  co_return response ? std::move(*response) : refusal(kBusy);
}

// Fills piece_ as far as the body goes; `start` and `received` are of the whole body.
Task<size_t> Session::read_piece(Parser& parser, Clock::time_point start, size_t received,
                                 error_code& error) {
  piece_.resize(kPieceSize);
  auto& body = parser.get().body();
  body.data = piece_.data();
  body.size = piece_.size();
  body.more = true;
  while (!parser.is_done() && body.size > 0 && !error) {
    const auto fed =
        std::chrono::seconds((received + piece_.size() - body.size) / kLeastBytesPerSecond);
    const Clock::time_point end =
        std::min({Clock::now() + settings_->deadlines.body_idle, start + settings_->deadlines.body,
                  start + settings_->deadlines.body_idle + fed});
    tcp().expires_after(
        std::max<Clock::duration>(end - Clock::now(), std::chrono::milliseconds(1)));
    co_await http::async_read_some(stream_, buffer_, parser,
                                   asio::redirect_error(asio::use_awaitable, error));
    if (error == http::error::need_buffer) {
      error = {};
      break;
    }
  }
  co_return piece_.size() - body.size;
}

// In one buffer: with two, asio::async_write() would go on with an empty first one, and beast's
// ssl_stream takes an empty first buffer for the end.
Task<void> Session::write(std::string text) {
  error_code error;
  tcp().expires_after(settings_->deadlines.response);
  co_await asio::async_write(stream_, asio::buffer(text),
                             asio::redirect_error(asio::use_awaitable, error));
  if (error) throw ClientGone{"the response could not be sent: " + error.message()};
}

Task<void> Session::send_continue() { return write("HTTP/1.1 100 Continue\r\n\r\n"); }

// Written by hand: Beast's serializer takes long to compile, and its use is in bodies that are not
// there yet.
Task<void> Session::send(Response response, bool keep_alive) {
  const auto status = static_cast<http::status>(response.status);
  std::string header = "HTTP/1.1 " + std::to_string(response.status) + " " +
                       std::string(http::obsolete_reason(status)) + "\r\n";
  const auto add = [&header](const std::string& name, const std::string& value) {
    header += name + ": " + value + "\r\n";
  };
  add("Server", std::string("predictord/") + kVersion);
  add("Content-Type", response.content_type);
  add("Content-Length", std::to_string(response.body.size()));
  add("Cache-Control", "no-store");
  if (!keep_alive) add("Connection", "close");
  for (const auto& [name, value] : response.headers) add(name, value);
  return write(header + "\r\n" + response.body);
}

// Drops what a refused client is still sending: closing at once would reset the connection, and the
// client might never see the answer.
Task<void> Session::linger() {
  error_code error;
  tcp().expires_after(kLinger);
  piece_.resize(kPieceSize);
  while (!error) {
    co_await stream_.async_read_some(asio::buffer(piece_.data(), piece_.size()),
                                     asio::redirect_error(asio::use_awaitable, error));
  }
}

// The same for a refused handshake, below TLS: with TLS 1.3 the client has sent its request before
// it can know that its certificate is refused.
Task<void> Session::let_alert_through() {
  error_code error;
  tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  tcp().expires_after(kLinger);
  piece_.resize(4096);
  while (!error) {
    co_await tcp().async_read_some(asio::buffer(piece_.data(), piece_.size()),
                                   asio::redirect_error(asio::use_awaitable, error));
  }
}

Task<void> Session::close() {
  error_code ignored;
  tcp().expires_after(kGoodbye);
  co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace predictor::engine
