// certificate_dates.cpp - see certificate_dates.h. OpenSSL's queue of errors is left empty: the
// server's own TLS uses it too.
#include "extension/certificate_dates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

namespace {

bool time_of(const ASN1_TIME* time, int64_t* seconds) {
  struct tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return false;
  *seconds = timegm(&parts);
  return true;
}

bool next_certificate(BIO* file, int64_t* end) {
  X509* certificate = PEM_read_bio_X509(file, nullptr, nullptr, nullptr);
  const bool found = certificate != nullptr && time_of(X509_get0_notAfter(certificate), end);
  X509_free(certificate);
  return found;
}

bool next_list(BIO* file, int64_t* end) {
  X509_CRL* list = PEM_read_bio_X509_CRL(file, nullptr, nullptr, nullptr);
  const bool found = list != nullptr && time_of(X509_CRL_get0_nextUpdate(list), end);
  X509_CRL_free(list);
  return found;
}

enum class Which { kFirst, kLatest, kEarliest };

bool find_end(const char* name, bool (*next)(BIO*, int64_t*), Which which, int64_t* end) {
  BIO* file = BIO_new_file(name, "r");
  int64_t one = 0;
  bool found = false;
  while (file != nullptr && !(found && which == Which::kFirst) && next(file, &one)) {
    if (!found || (which == Which::kLatest ? one > *end : one < *end)) *end = one;
    found = true;
  }
  BIO_free(file);
  ERR_clear_error();
  return found;
}

}  // namespace

bool certificate_end(const char* file, int64_t* end) noexcept {
  return find_end(file, next_certificate, Which::kFirst, end);
}

bool authorities_end(const char* file, int64_t* end) noexcept {
  return find_end(file, next_certificate, Which::kLatest, end);
}

bool revocation_lists_end(const char* file, int64_t* end) noexcept {
  return find_end(file, next_list, Which::kEarliest, end);
}
