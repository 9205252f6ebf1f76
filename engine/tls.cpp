#include "engine/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <vector>

#include "engine/files.h"
#include "engine/text.h"

namespace predictor::engine {
namespace {

namespace fs = std::filesystem;

// A resumed session does not verify the client's certificate again, so it must not live long.
constexpr long kSessionSeconds = 300;

Error tls_error(const std::string& what) {
  const unsigned long number = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(number);
  ERR_clear_error();
  return Error{"certificates", what + (reason != nullptr ? std::string(": ") + reason : "")};
}

// Without it OpenSSL would ask for the passphrase of an encrypted key on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Failure load_identity(SSL_CTX* context, const fs::path& ca_dir) {
  const fs::path certificate = ca_dir / "server.crt";
  const fs::path key = ca_dir / "server.key";
  if (Failure failure = check_private_key_file(key)) return failure;
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return tls_error("could not read the server certificate " + certificate.string());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return tls_error("could not use the private key " + key.string() + " with " +
                     certificate.string());
  }
  return std::nullopt;
}

Failure load_authority(SSL_CTX* context, const fs::path& ca_dir) {
  const fs::path authority = ca_dir / "ca.crt";
  if (SSL_CTX_load_verify_locations(context, authority.c_str(), nullptr) != 1) {
    return tls_error("could not read the certificate authority " + authority.string());
  }
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(authority.c_str());
  if (names == nullptr) {
    return tls_error("could not read the certificate authority " + authority.string());
  }
  SSL_CTX_set_client_CA_list(context, names);
  return std::nullopt;
}

struct NamesDeleter {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

bool is_readable_name(const std::string& name) {
  for (unsigned char c : name) {
    if (c <= 0x20 || c >= 0x7f) return false;
  }
  return !name.empty() && name.size() <= 255;
}

std::vector<std::string> alternative_names(X509* certificate) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, NamesDeleter> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_IA5STRING* content =
        name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(content)),
                     static_cast<size_t>(ASN1_STRING_length(content)));
    found.push_back(name->type == GEN_DNS ? to_lower(text) : text);
  }
  return found;
}

}  // namespace

Failure configure_server_tls(ssl_ctx_st* context, const fs::path& ca_dir) {
  static constexpr unsigned char kSessionContext[] = "predictord";
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    return tls_error("OpenSSL offers none of the ciphers that are accepted");
  }
  if (Failure failure = load_identity(context, ca_dir)) return failure;
  if (Failure failure = load_authority(context, ca_dir)) return failure;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(context), X509_PURPOSE_SSL_CLIENT);
  // Sessions of a server that verifies clients cannot be resumed without a context of their own.
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_timeout(context, kSessionSeconds);
  return std::nullopt;
}

Result<std::string> client_name(ssl_st* connection) {
  const std::unique_ptr<X509, CertificateDeleter> certificate(
      SSL_get1_peer_certificate(connection));
  if (!certificate) {
    return Error{"no_client_certificate", "the connection has no client certificate", 403};
  }
  const std::vector<std::string> names = alternative_names(certificate.get());
  if (names.empty() || (names.size() == 1 && !is_readable_name(names[0]))) {
    return Error{"no_client_name",
                 "the client certificate carries no usable DNS or URI name; make one with exactly "
                 "one subject alternative name of these kinds",
                 403};
  }
  if (names.size() > 1) {
    return Error{"several_client_names",
                 "the client certificate carries " + std::to_string(names.size()) +
                     " DNS or URI names, so that it is not clear who the client is; make one with "
                     "exactly one",
                 403};
  }
  return names[0];
}

std::string certificate_problem(ssl_st* connection) {
  const long status = SSL_get_verify_result(connection);
  return status == X509_V_OK ? "" : X509_verify_cert_error_string(status);
}

}  // namespace predictor::engine
