// tls.h - the server's side of trust: certificates, and who the client is.
//
// Knows OpenSSL only, not the network. A CA directory holds ca.crt (who signs clients), server.crt
// (our certificate, with its chain) and server.key.
#ifndef PREDICTOR_ENGINE_TLS_H
#define PREDICTOR_ENGINE_TLS_H

#include <filesystem>
#include <string>

#include "engine/error.h"

struct ssl_ctx_st;
struct ssl_st;

namespace predictor::engine {

// TLS 1.2 or newer; a client certificate signed by the CA for client authentication is required.
Failure configure_server_tls(ssl_ctx_st* context, const std::filesystem::path& ca_dir);

// The single DNS or URI name of the client's certificate (DNS names in lower case). A certificate
// with none or with several is refused with a 403: which of them should count?
Result<std::string> client_name(ssl_st* connection);

// Why the last handshake failed, as far as certificates are concerned; empty if they are not.
std::string certificate_problem(ssl_st* connection);

}  // namespace predictor::engine

#endif
