#include "engine/tls_refusal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "engine/tls.h"

namespace predictor::engine {
namespace {

constexpr size_t kLongestSubject = 200;

void free_description(void*, void* description, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(description);
}

// Where a connection keeps what is known of the certificate that it refused: after a failed
// handshake OpenSSL does not have it any more.
int description_slot() {
  static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_description);
  return slot;
}

struct OutputDeleter {
  void operator()(BIO* output) const { BIO_free(output); }
};

// Subject and serial number, as an administrator finds them in `predictor-certs list`.
std::string describe(X509* certificate) {
  const std::unique_ptr<BIO, OutputDeleter> output(BIO_new(BIO_s_mem()));
  if (!output || certificate == nullptr) return "";
  X509_NAME_print_ex(output.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long length = BIO_get_mem_data(output.get(), &text);
  std::string subject(text, static_cast<size_t>(length > 0 ? length : 0));
  if (subject.size() > kLongestSubject) subject.resize(kLongestSubject);
  (void)BIO_reset(output.get());
  i2a_ASN1_INTEGER(output.get(), X509_get0_serialNumber(certificate));
  const long digits = BIO_get_mem_data(output.get(), &text);
  return "\"" + subject + "\" (serial number " +
         std::string(text, static_cast<size_t>(digits > 0 ? digits : 0)) + ")";
}

void remember(X509_STORE_CTX* verification) {
  auto* connection = static_cast<SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (connection == nullptr || SSL_get_ex_data(connection, description_slot()) != nullptr) return;
  auto description =
      std::make_unique<std::string>(describe(X509_STORE_CTX_get_current_cert(verification)));
  if (SSL_set_ex_data(connection, description_slot(), description.get()) == 1) {
    (void)description.release();
  }
}

// OpenSSL takes a certificate that names no purpose for one of every purpose.
bool names_client_purpose(X509* certificate) {
  return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
         (X509_get_extended_key_usage(certificate) & XKU_SSL_CLIENT) != 0;
}

int verify_any(int is_accepted, X509_STORE_CTX* verification) {
  if (!is_accepted) remember(verification);
  return is_accepted;
}

int verify_client(int is_accepted, X509_STORE_CTX* verification) {
  if (is_accepted && X509_STORE_CTX_get_error_depth(verification) == 0 &&
      !names_client_purpose(X509_STORE_CTX_get_current_cert(verification))) {
    X509_STORE_CTX_set_error(verification, X509_V_ERR_INVALID_PURPOSE);
    is_accepted = 0;
  }
  return verify_any(is_accepted, verification);
}

struct Text {
  long number;
  const char* text;
};

// What is wrong with a certificate, and what to do.
constexpr Text kCertificateTexts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "has expired; give the client a renewed one"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "is not valid yet; compare the clocks of both hosts"},
    {X509_V_ERR_CERT_REVOKED, "is revoked"},
    {X509_V_ERR_INVALID_PURPOSE, "is not made for clients; make one with `predictor-certs client`"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "is signed by itself and by no authority of ca.crt"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "comes from an authority that is not in ca.crt"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "comes from an authority that is not in ca.crt"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "comes from an authority that is not in ca.crt"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "comes from an authority that is not in ca.crt"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "was not signed by the authority that it names"},
    {X509_V_ERR_UNABLE_TO_GET_CRL,
     "comes from an authority that has no revocation list in ca.crl; add it there"},
    {X509_V_ERR_CRL_HAS_EXPIRED,
     "cannot be checked: the revocation list ca.crl has expired; make a new one with "
     "`predictor-certs renew crl`, bring it here and reload"},
    {X509_V_ERR_CRL_NOT_YET_VALID,
     "cannot be checked: the revocation list ca.crl is not valid yet; compare the clocks"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE,
     "cannot be checked: the revocation list ca.crl was not signed by its authority"},
};

constexpr Text kProtocolTexts[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client showed no certificate"},
    {SSL_R_HTTP_REQUEST, "the client speaks plain HTTP; this port speaks HTTPS alone"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the client takes this port for an HTTP proxy"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the client offers no TLS 1.2 or newer"},
    {SSL_R_VERSION_TOO_LOW, "the client offers no TLS 1.2 or newer"},
    {SSL_R_NO_SHARED_CIPHER, "the client offers none of the ciphers that are accepted"},
    {SSL_R_WRONG_VERSION_NUMBER, "what the client sends is not TLS"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA,
     "the client does not trust the authority of our certificate; give it the right ca.crt"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the client does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the client does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the client says that our certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the client says that our certificate is revoked"},
};

template <size_t count>
const char* find_text(const Text (&texts)[count], long number) {
  for (const Text& entry : texts) {
    if (entry.number == number) return entry.text;
  }
  return nullptr;
}

std::string certificate_problem(const std::string& certificate, long status) {
  const char* text = find_text(kCertificateTexts, status);
  return "the certificate " + certificate + " " +
         (text != nullptr ? text
                          : std::string("is refused: ") + X509_verify_cert_error_string(status));
}

struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct VerificationDeleter {
  void operator()(X509_STORE_CTX* verification) const { X509_STORE_CTX_free(verification); }
};

}  // namespace

void require_client_certificate(ssl_ctx_st* context, ClientPurpose purpose) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     purpose == ClientPurpose::kRequired ? verify_client : verify_any);
  X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(context), X509_PURPOSE_SSL_CLIENT);
}

// As OpenSSL itself does it in a handshake (ssl_verify_cert_chain).
std::string client_problem(ssl_ctx_st* context, ssl_st* connection) {
  const std::unique_ptr<X509, CertificateDeleter> certificate(
      SSL_get1_peer_certificate(connection));
  const std::unique_ptr<X509_STORE_CTX, VerificationDeleter> verification(X509_STORE_CTX_new());
  if (!certificate || !verification ||
      X509_STORE_CTX_init(verification.get(), SSL_CTX_get_cert_store(context), certificate.get(),
                          SSL_get_peer_cert_chain(connection)) != 1) {
    ERR_clear_error();
    return "the certificate could not be verified again";
  }
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(verification.get());
  X509_VERIFY_PARAM_set_auth_level(rules, SSL_CTX_get_security_level(context));
  X509_STORE_CTX_set_default(verification.get(), "ssl_client");
  X509_VERIFY_PARAM_set1(rules, SSL_CTX_get0_param(context));
  X509_STORE_CTX_set_verify_cb(verification.get(), SSL_CTX_get_verify_callback(context));
  const bool is_accepted = X509_verify_cert(verification.get()) == 1;
  ERR_clear_error();
  if (is_accepted) return "";
  return certificate_problem(describe(X509_STORE_CTX_get_current_cert(verification.get())),
                             X509_STORE_CTX_get_error(verification.get()));
}

std::string handshake_problem(ssl_st* connection, unsigned long library_error) {
  const long status = SSL_get_verify_result(connection);
  const auto* certificate =
      static_cast<const std::string*>(SSL_get_ex_data(connection, description_slot()));
  if (status != X509_V_OK && certificate != nullptr) {
    return certificate_problem(*certificate, status);
  }
  if (ERR_GET_LIB(library_error) != ERR_LIB_SSL) return "";
  const char* text = find_text(kProtocolTexts, ERR_GET_REASON(library_error));
  return text != nullptr ? text : "";
}

}  // namespace predictor::engine
