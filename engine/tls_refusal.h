// tls_refusal.h - which client certificates are refused, and how that is told. For tls.cpp;
// handshake_problem() is in tls.h.
#ifndef PREDICTOR_ENGINE_TLS_REFUSAL_H
#define PREDICTOR_ENGINE_TLS_REFUSAL_H

#include "engine/settings.h"

struct ssl_ctx_st;

namespace predictor::engine {

// A certificate is required, from the authorities the context trusts, and made for clients.
void require_client_certificate(ssl_ctx_st* context, ClientPurpose purpose);

}  // namespace predictor::engine

#endif
