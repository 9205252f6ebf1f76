#include "engine/access.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <memory>

#include "engine/text.h"

namespace predictor::engine {
namespace {

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

bool counts(int type, NameKind kind) {
  return (type == GEN_DNS && kind != NameKind::kUri) || (type == GEN_URI && kind != NameKind::kDns);
}

std::vector<std::string> names_of(X509* certificate, NameKind kind) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, NamesDeleter> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); i++) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (!counts(name->type, kind)) continue;
    const ASN1_IA5STRING* content =
        name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
    std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(content)),
                     static_cast<size_t>(ASN1_STRING_length(content)));
    found.push_back(name->type == GEN_DNS ? to_lower(text) : text);
  }
  return found;
}

std::string common_name(X509* certificate) {
  char text[256];
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                               text, sizeof(text));
  // A name with a zero byte in it would be longer than it looks.
  return length > 0 && static_cast<size_t>(length) == std::strlen(text) ? text : "";
}

const char* kind_text(NameKind kind) {
  return kind == NameKind::kDns ? "DNS" : kind == NameKind::kUri ? "URI" : "DNS or URI";
}

}  // namespace

void Access::change(const Settings& settings) {
  const std::lock_guard lock(mutex_);
  kind_ = settings.client_name;
  is_opengauss_ca_ = settings.is_opengauss_ca;
  grants_ = settings.grants;
}

Caller Access::caller(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  Caller caller{name, {}, false};
  if (!grants_.empty()) {
    const auto granted = grants_.find(name);
    if (granted != grants_.end()) {
      caller.spaces.assign(granted->second.begin(), granted->second.end());
    }
  } else if (is_plain_name(name)) {
    caller.spaces.push_back(name);
  }
  return caller;
}

// A grant could give such a client the namespace of one that is identified by better means.
Result<Caller> Access::identify_by_common_name(const std::string& name) const {
  if (!is_plain_name(name)) {
    return Error{"no_client_name",
                 "the client certificate carries no common name of letters, digits, '.', '_' and "
                 "'-'",
                 403};
  }
  return Caller{name, {name}, true};
}

Result<Caller> Access::identify(ssl_st* connection) const {
  const std::unique_ptr<X509, CertificateDeleter> certificate(
      SSL_get1_peer_certificate(connection));
  if (!certificate) {
    return Error{"no_client_certificate", "the connection has no client certificate", 403};
  }
  NameKind kind;
  bool is_opengauss_ca;
  {
    const std::lock_guard lock(mutex_);
    kind = kind_;
    is_opengauss_ca = is_opengauss_ca_;
  }
  if (is_opengauss_ca) return identify_by_common_name(common_name(certificate.get()));
  const std::vector<std::string> names = names_of(certificate.get(), kind);
  if (names.empty() || (names.size() == 1 && !is_readable_name(names[0]))) {
    return Error{"no_client_name",
                 std::string("the client certificate carries no usable ") + kind_text(kind) +
                     " name; make one with exactly one subject alternative name of that kind",
                 403};
  }
  if (names.size() > 1) {
    return Error{"several_client_names",
                 "the client certificate carries " + std::to_string(names.size()) + " " +
                     kind_text(kind) +
                     " names, so that it is not clear who the client is; make one with exactly "
                     "one, or choose a kind with the engine's setting client_name",
                 403};
  }
  return caller(names[0]);
}

}  // namespace predictor::engine
