// tls_refusal.h - which client certificates are refused, and how that is told. For tls.cpp;
// handshake_problem() is in tls.h.
#ifndef PREDICTOR_ENGINE_TLS_REFUSAL_H
#define PREDICTOR_ENGINE_TLS_REFUSAL_H

#include <string>

#include "engine/settings.h"

struct ssl_ctx_st;
struct ssl_st;

namespace predictor::engine {

// A certificate is required, from the authorities the context trusts, and made for clients.
void require_client_certificate(ssl_ctx_st* context, ClientPurpose purpose);

// What a handshake in `context` would say of the certificate that the connection's client showed in
// an earlier one; nothing if it would be accepted.
std::string client_problem(ssl_ctx_st* context, ssl_st* connection);

}  // namespace predictor::engine

#endif
