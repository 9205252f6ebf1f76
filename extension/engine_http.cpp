// engine_http.cpp - see engine_http.h.
//
// libcurl's callbacks run inside our calls and only touch the static state below: they allocate
// with malloc within a bound and report failure by their return value. All state is plain data, so
// that loading the module runs no constructor.
#include "extension/engine_http.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <strings.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int64_t kRetryMs = 5;

struct Http {
  bool curl_ready;
  CURLM* multi;
  CURL* easy;

  // the request
  const EngineHttpRequest* request;
  bool attached;  // easy is in multi
  curl_slist* headers;
  int64_t body_sent;

  // what libcurl wants to be waited for
  EngineHttpSocket sockets[ENGINE_HTTP_MAX_SOCKETS];
  int socket_count;
  bool socket_overflow;
  bool has_deadline;
  int64_t deadline_ms;

  // the answer
  bool done;
  EngineProblem problem;
  char* body;
  size_t body_size;
  size_t body_capacity;
  char sha256[ENGINE_SHA256_HEX];
  char error[CURL_ERROR_SIZE];
};

Http http;

int64_t now_ms() {
  using std::chrono::steady_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

int on_socket(CURL*, curl_socket_t fd, int what, void*, void*) {
  int at = 0;
  while (at < http.socket_count && http.sockets[at].fd != fd) at++;
  if (what == CURL_POLL_REMOVE) {
    if (at < http.socket_count) http.sockets[at] = http.sockets[--http.socket_count];
    return 0;
  }
  if (at == ENGINE_HTTP_MAX_SOCKETS) {
    http.socket_overflow = true;
    return 0;
  }
  if (at == http.socket_count) http.socket_count++;
  int events = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= ENGINE_HTTP_READ;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= ENGINE_HTTP_WRITE;
  http.sockets[at] = {fd, events};
  return 0;
}

int on_timer(CURLM*, long timeout_ms, void*) {
  http.has_deadline = timeout_ms >= 0;
  // One more, since the clock's fraction of a millisecond is lost.
  http.deadline_ms = timeout_ms > 0 ? now_ms() + timeout_ms + 1 : now_ms();
  return 0;
}

size_t on_body(char* data, size_t, size_t size, void*) {
  if (size > http.request->reply_limit - http.body_size) {
    http.problem = ENGINE_TOO_LARGE;
    return 0;
  }
  if (http.body_size + size > http.body_capacity) {
    size_t capacity = http.body_capacity < 8192 ? 8192 : http.body_capacity;
    while (capacity < http.body_size + size) capacity *= 2;
    auto* grown = static_cast<char*>(std::realloc(http.body, capacity));
    if (grown == nullptr) {
      http.problem = ENGINE_NO_MEMORY;
      return 0;
    }
    http.body = grown;
    http.body_capacity = capacity;
  }
  std::memcpy(http.body + http.body_size, data, size);
  http.body_size += size;
  return size;
}

size_t on_header(char* data, size_t, size_t size, void*) {
  static constexpr char kName[] = "x-content-sha256:";
  constexpr size_t kNameLength = sizeof kName - 1;
  if (size > kNameLength && strncasecmp(data, kName, kNameLength) == 0) {
    size_t from = kNameLength;
    size_t to = size;
    while (from < to && (data[from] == ' ' || data[from] == '\t')) from++;
    while (to > from && (data[to - 1] == '\r' || data[to - 1] == '\n' || data[to - 1] == ' ')) to--;
    if (to - from == ENGINE_SHA256_HEX - 1) {
      std::memcpy(http.sha256, data + from, to - from);
      http.sha256[to - from] = '\0';
    }
  }
  return size;
}

size_t on_read(char* out, size_t, size_t room, void*) {
  const EngineHttpRequest& request = *http.request;
  const int64_t left = request.body_size - http.body_sent;
  size_t count = left < static_cast<int64_t>(room) ? static_cast<size_t>(left) : room;
  if (request.body != nullptr) {
    std::memcpy(out, static_cast<const char*>(request.body) + http.body_sent, count);
  } else if (count > 0) {
    const ssize_t got = pread(request.body_fd, out, count, http.body_sent);
    if (got <= 0) return CURL_READFUNC_ABORT;
    count = static_cast<size_t>(got);
  }
  http.body_sent += static_cast<int64_t>(count);
  return count;
}

// libcurl goes back to the start when a kept connection turns out to be dead.
int on_seek(void*, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0 || offset > http.request->body_size) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  http.body_sent = offset;
  return CURL_SEEKFUNC_OK;
}

bool make_handles() {
  if (!http.curl_ready) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return false;
    http.curl_ready = true;
  }
  if (http.multi == nullptr) {
    http.multi = curl_multi_init();
    if (http.multi == nullptr) return false;
    curl_multi_setopt(http.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(http.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(http.multi, CURLMOPT_MAXCONNECTS, 2L);
  }
  if (http.easy == nullptr) {
    http.easy = curl_easy_init();
    if (http.easy == nullptr) return false;
  }
  return true;
}

// Only HTTPS, only to the named host, only under our own authority.
bool set_security(CURL* easy, const EngineHttpRequest& request) {
  CURLcode code = CURLE_OK;
  auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value);
  };
#if LIBCURL_VERSION_NUM >= 0x075500
  set(CURLOPT_PROTOCOLS_STR, "https");
#else
  set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTPS));
#endif
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_CAINFO, request.ca_file);
  // The default would be the system's authorities, in addition to ours.
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
#if LIBCURL_VERSION_NUM >= 0x075700
  // Else a changed file of authorities would not be read again for a day.
  set(CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
  if (request.crl_file != nullptr) set(CURLOPT_CRLFILE, request.crl_file);
  // A resumed session would not verify the engine's certificate again.
  set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(CURLOPT_SSLCERT, request.cert_file);
  set(CURLOPT_SSLKEY, request.key_file);
  if (request.passphrase != nullptr) set(CURLOPT_KEYPASSWD, request.passphrase);
  return code == CURLE_OK;
}

bool set_transfer(CURL* easy, const EngineHttpRequest& request) {
  CURLcode code = CURLE_OK;
  auto set = [&](CURLoption option, auto value) {
    if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value);
  };
  set(CURLOPT_ERRORBUFFER, http.error);
  set(CURLOPT_URL, request.url);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, request.connect_timeout_ms);
  set(CURLOPT_TIMEOUT_MS, request.timeout_ms);
  if (request.stall_timeout_s > 0) {
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, request.stall_timeout_s);
  } else {
    // A host that is gone is noticed all the same.
    set(CURLOPT_TCP_KEEPALIVE, 1L);
  }
#if LIBCURL_VERSION_NUM >= 0x075700
  // Giving up must not wait for the thread that resolves a name.
  set(CURLOPT_QUICK_EXIT, 1L);
#endif
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_HEADERFUNCTION, on_header);
  if (request.body != nullptr || request.body_fd >= 0) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_READFUNCTION, on_read);
    set(CURLOPT_SEEKFUNCTION, on_seek);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_size));
  }
  set(CURLOPT_CUSTOMREQUEST, request.method);
  // An engine need not know "Expect: 100-continue"; libcurl would wait a second for it.
  http.headers = curl_slist_append(nullptr, "Expect:");
  for (const char* const* header = request.headers;
       http.headers != nullptr && header != nullptr && *header != nullptr; header++) {
    curl_slist* longer = curl_slist_append(http.headers, *header);
    if (longer == nullptr) return false;
    http.headers = longer;
  }
  set(CURLOPT_HTTPHEADER, http.headers);
  return code == CURLE_OK && http.headers != nullptr;
}

// TLS 1.3 tells a client that its certificate is refused only after the handshake, at the first
// read or write, as an alert in the text of an otherwise ordinary transport error. Leaves of the
// text the name of the alert.
bool is_client_refusal() {
  static constexpr const char* kAlerts[] = {
      "certificate required", "bad certificate",     "unknown ca",    "certificate expired",
      "certificate revoked",  "certificate unknown", "access denied", "unsupported certificate",
  };
  for (const char* alert : kAlerts) {
    const char* found = std::strstr(http.error, alert);
    if (found == nullptr || std::strstr(http.error, " alert ") == nullptr) continue;
    std::snprintf(http.error, sizeof http.error, "%s", alert);
    return true;
  }
  return false;
}

// What the system said last, or 0.
long system_error() {
  long number = 0;
  curl_easy_getinfo(http.easy, CURLINFO_OS_ERRNO, &number);
  return number;
}

EngineProblem classify(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return ENGINE_OK;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return ENGINE_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
      return ENGINE_NOT_RESOLVED;
    case CURLE_COULDNT_CONNECT:
      return ENGINE_NOT_CONNECTED;
    case CURLE_OPERATION_TIMEDOUT: {
      // Set as soon as the request may be sent, on a kept connection too.
      curl_off_t connected = 0;
      curl_easy_getinfo(http.easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
      return connected > 0 ? ENGINE_TIMEOUT : ENGINE_CONNECT_TIMEOUT;
    }
    case CURLE_SSL_CACERT_BADFILE:
      return ENGINE_BAD_CA_FILE;
    case CURLE_SSL_CRL_BADFILE:
      return ENGINE_BAD_CRL_FILE;
    case CURLE_SSL_CERTPROBLEM:
      return ENGINE_BAD_CLIENT_FILES;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
      return ENGINE_SERVER_REFUSED;
    case CURLE_OUT_OF_MEMORY:
      return ENGINE_NO_MEMORY;
    case CURLE_SSL_CONNECT_ERROR:
      if (is_client_refusal()) return ENGINE_CLIENT_REFUSED;
      // An engine that ends during the handshake says nothing of TLS; it may be back soon.
      return system_error() == ECONNRESET ? ENGINE_LOST : ENGINE_TLS;
#if LIBCURL_VERSION_NUM >= 0x074d00
    case CURLE_SSL_CLIENTCERT:
      return ENGINE_CLIENT_REFUSED;
#endif
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return is_client_refusal() ? ENGINE_CLIENT_REFUSED : ENGINE_LOST;
    default:
      return ENGINE_OTHER;
  }
}

// libcurl says that it could not connect; the system says why.
void use_system_error() {
  const long number = system_error();
  if (number != 0) {
    std::snprintf(http.error, sizeof http.error, "%s", std::strerror(static_cast<int>(number)));
  }
}

bool finish(CURLcode code) {
  if (http.problem == ENGINE_OK) http.problem = classify(code);
  if (http.problem == ENGINE_NOT_CONNECTED) use_system_error();
  if (http.error[0] == '\0' && code != CURLE_OK) {
    std::snprintf(http.error, sizeof http.error, "%s", curl_easy_strerror(code));
  }
  http.done = true;
  return true;
}

bool fail(EngineProblem problem, const char* cause) {
  http.problem = problem;
  std::snprintf(http.error, sizeof http.error, "%s", cause);
  http.done = true;
  return false;
}

}  // namespace

bool engine_http_begin(const EngineHttpRequest* request) noexcept {
  engine_http_end();
  http.request = request;
  if (!make_handles()) return fail(ENGINE_NO_MEMORY, "libcurl could not be initialised");
  curl_easy_reset(http.easy);
  if (!set_security(http.easy, *request) || !set_transfer(http.easy, *request)) {
    return fail(ENGINE_OTHER, "libcurl lacks an option that is needed");
  }
  if (curl_multi_add_handle(http.multi, http.easy) != CURLM_OK) {
    return fail(ENGINE_NO_MEMORY, "libcurl could not start");
  }
  http.attached = true;
  return true;
}

int engine_http_sockets(EngineHttpSocket* sockets) noexcept {
  std::memcpy(sockets, http.sockets, sizeof(EngineHttpSocket) * http.socket_count);
  return http.socket_count;
}

long engine_http_wait_ms(void) noexcept {
  if (http.socket_overflow) return 20;  // what cannot be waited for is looked at often
  if (!http.has_deadline) return -1;
  const int64_t left = http.deadline_ms - now_ms();
  return left > 0 ? static_cast<long>(left) : 0;
}

bool engine_http_advance(int fd, int events) noexcept {
  if (http.done) return true;
  int running = 0;
  int mask = 0;
  if (events & ENGINE_HTTP_READ) mask |= CURL_CSELECT_IN;
  if (events & ENGINE_HTTP_WRITE) mask |= CURL_CSELECT_OUT;
  // libcurl arms its timer anew if it wants another one. If it finds that a timer is not quite due
  // yet it does not, so until it says something else it is asked again soon.
  if (fd < 0 && http.has_deadline) http.deadline_ms = now_ms() + kRetryMs;
  if (curl_multi_socket_action(http.multi, fd < 0 ? CURL_SOCKET_TIMEOUT : fd, mask, &running) !=
      CURLM_OK) {
    fail(ENGINE_OTHER, "libcurl's event loop failed");
    return true;
  }
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(http.multi, &left)) {
    if (message->msg == CURLMSG_DONE) return finish(message->data.result);
  }
  return false;
}

void engine_http_result(EngineHttpResult* result) noexcept {
  long status = 0;
  if (http.attached) curl_easy_getinfo(http.easy, CURLINFO_RESPONSE_CODE, &status);
  result->problem = http.done ? http.problem : ENGINE_OTHER;
  result->cause = http.error;
  result->status = result->problem == ENGINE_OK ? static_cast<int>(status) : 0;
  result->body = http.body;
  result->body_size = http.body_size;
  std::memcpy(result->sha256, http.sha256, sizeof http.sha256);
}

void engine_http_end(void) noexcept {
  if (http.attached) {
    curl_multi_remove_handle(http.multi, http.easy);
    http.attached = false;
  }
  // The handle must not keep pointers to what is freed here or by the caller.
  if (http.easy != nullptr) curl_easy_reset(http.easy);
  curl_slist_free_all(http.headers);
  http.headers = nullptr;
  std::free(http.body);
  http.body = nullptr;
  http.body_size = http.body_capacity = 0;
  http.request = nullptr;
  http.body_sent = 0;
  http.done = false;
  http.problem = ENGINE_OK;
  http.sha256[0] = http.error[0] = '\0';
  http.socket_overflow = false;
}

void engine_http_shutdown(void) noexcept {
  engine_http_end();
  if (http.easy != nullptr) curl_easy_cleanup(http.easy);
  if (http.multi != nullptr) curl_multi_cleanup(http.multi);
  http.easy = nullptr;
  http.multi = nullptr;
}

EngineDigest* engine_digest_begin(void) noexcept {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  if (context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1) {
    EVP_MD_CTX_free(context);
    context = nullptr;
  }
  return reinterpret_cast<EngineDigest*>(context);
}

bool engine_digest_add(EngineDigest* digest, const void* data, size_t size) noexcept {
  return EVP_DigestUpdate(reinterpret_cast<EVP_MD_CTX*>(digest), data, size) == 1;
}

bool engine_digest_end(EngineDigest* digest, char* hex) noexcept {
  auto* context = reinterpret_cast<EVP_MD_CTX*>(digest);
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  bool made = true;
  if (hex != nullptr) {
    made = EVP_DigestFinal_ex(context, bytes, &length) == 1 && length == 32;
    for (unsigned i = 0; made && i < length; i++) std::snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
  }
  EVP_MD_CTX_free(context);
  return made;
}
