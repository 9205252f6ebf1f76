#include "engine/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/files.h"
#include "engine/log.h"
#include "engine/opengauss/ca_folder.h"
#include "engine/opengauss/key_password.h"
#include "engine/passphrase.h"
#include "engine/tls_refusal.h"

namespace predictor::engine {
namespace {

namespace fs = std::filesystem;

constexpr long kDay = 86400;
constexpr long kWarnDays = 30;

struct FileDeleter {
  void operator()(BIO* file) const { BIO_free(file); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct ListDeleter {
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
};
using OpenFile = std::unique_ptr<BIO, FileDeleter>;
using Certificate = std::unique_ptr<X509, CertificateDeleter>;
using RevocationList = std::unique_ptr<X509_CRL, ListDeleter>;

Error tls_error(const std::string& what) {
  const unsigned long number = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(number);
  ERR_clear_error();
  return Error{"certificates", what + (reason != nullptr ? std::string(": ") + reason : "")};
}

std::time_t time_of(const ASN1_TIME* time) {
  std::tm parts{};
  return time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

fs::path authority_file(const Settings& settings) {
  return settings.is_opengauss_ca ? opengauss::authority_file(settings.ca_dir)
                                  : settings.ca_dir / "ca.crt";
}

// What the passphrase callback needs, and why it failed.
struct KeyPassphrase {
  const Settings& settings;
  Failure failure;
};

// From the files that openGauss keeps beside its keys, or from the command.
Result<std::string> find_passphrase(const Settings& settings) {
  const fs::path key = settings.ca_dir / "server.key";
  std::error_code ignored;
  if (settings.is_opengauss_ca && settings.passphrase_command.empty() &&
      fs::exists(key.string() + ".cipher", ignored)) {
    return opengauss::read_key_password(key);
  }
  if (settings.passphrase_command.empty()) {
    return Error{"passphrase_command",
                 "it is encrypted; set passphrase_command to a command that prints its passphrase"};
  }
  return run_passphrase_command(settings.passphrase_command, "Enter PEM pass phrase:");
}

int give_passphrase(char* buffer, int size, int, void* data) {
  auto* wanted = static_cast<KeyPassphrase*>(data);
  Result<std::string> text = find_passphrase(wanted->settings);
  if (!text) {
    wanted->failure = text.error();
    return -1;
  }
  std::string& passphrase = text.value();
  const size_t length = std::min(passphrase.size(), static_cast<size_t>(size));
  std::memcpy(buffer, passphrase.data(), length);
  OPENSSL_cleanse(passphrase.data(), passphrase.size());
  return static_cast<int>(length);
}

Failure load_key(SSL_CTX* context, const fs::path& key, const fs::path& certificate,
                 const Settings& settings) {
  if (Failure failure = check_private_key_file(key)) return failure;
  KeyPassphrase wanted{settings, std::nullopt};
  // Without a callback OpenSSL would ask on the terminal.
  SSL_CTX_set_default_passwd_cb(context, give_passphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &wanted);
  const int loaded = SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (loaded == 1) return std::nullopt;
  if (wanted.failure) {
    ERR_clear_error();
    return Error{"certificates",
                 "could not use the private key " + key.string() + ": " + wanted.failure->message};
  }
  return tls_error("could not use the private key " + key.string() + " with " +
                   certificate.string());
}

Failure load_identity(SSL_CTX* context, const Settings& settings, std::vector<Expiry>& expiries) {
  const fs::path certificate = settings.ca_dir / "server.crt";
  const fs::path key = settings.ca_dir / "server.key";
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return tls_error("could not read the server certificate " + certificate.string());
  }
  expiries.push_back(
      {"certificate", certificate, time_of(X509_get0_notAfter(SSL_CTX_get0_certificate(context)))});
  return load_key(context, key, certificate, settings);
}

// Trusts the authorities, and tells clients their names. What counts as the end is that of the one
// that lasts longest: while authorities overlap the older one may well end.
Failure load_authorities(SSL_CTX* context, const fs::path& file, std::vector<Expiry>& expiries) {
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1) {
    return tls_error("could not read the certificate authority " + file.string());
  }
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr) {
    return tls_error("could not read the certificate authority " + file.string());
  }
  SSL_CTX_set_client_CA_list(context, names);
  const OpenFile content(BIO_new_file(file.c_str(), "r"));
  Expiry expiry{"authority", file, 0};
  while (content) {
    const Certificate authority(PEM_read_bio_X509(content.get(), nullptr, nullptr, nullptr));
    if (!authority) break;
    expiry.ends_at = std::max(expiry.ends_at, time_of(X509_get0_notAfter(authority.get())));
  }
  ERR_clear_error();  // the end of the file
  expiries.push_back(expiry);
  return std::nullopt;
}

// Once one list has ended no certificate of its authority is accepted, so the earliest end counts.
Failure load_revocation_lists(SSL_CTX* context, const fs::path& file,
                              std::vector<Expiry>& expiries) {
  const OpenFile content(BIO_new_file(file.c_str(), "r"));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  Expiry expiry{"revocation_list", file, 0};
  int count = 0;
  while (content) {
    const RevocationList list(PEM_read_bio_X509_CRL(content.get(), nullptr, nullptr, nullptr));
    if (!list) break;
    if (X509_STORE_add_crl(store, list.get()) != 1) break;
    const std::time_t ends_at = time_of(X509_CRL_get0_nextUpdate(list.get()));
    expiry.ends_at = count == 0 ? ends_at : std::min(expiry.ends_at, ends_at);
    count++;
  }
  // The loop ends where nothing more begins; anything else is damage.
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (count == 0 || !is_end)
    return tls_error("could not read the revocation list " + file.string());
  ERR_clear_error();
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  expiries.push_back(expiry);
  return std::nullopt;
}

Failure set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A resumed session would not verify the client's certificate again, so there are none.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
    return tls_error("OpenSSL offers none of the ciphers that are accepted");
  }
  return std::nullopt;
}

}  // namespace

long Expiry::days_left(std::time_t now) const {
  const auto left = static_cast<long>(ends_at - now);
  return left >= 0 ? left / kDay : -((-left + kDay - 1) / kDay);
}

std::vector<std::string> expiry_warnings(const std::vector<Expiry>& expiries, std::time_t now) {
  std::vector<std::string> warnings;
  for (const Expiry& expiry : expiries) {
    const long days = expiry.days_left(now);
    if (days >= kWarnDays) continue;
    const bool is_list = expiry.name == "revocation_list";
    std::string text =
        (is_list ? "the revocation list " : "the certificate ") + expiry.file.string() +
        (days < 0 ? " has expired" : " expires in " + std::to_string(days) + " days");
    text += is_list                      ? ", and no client is let in without a valid one; "
                                           "`predictor-certs renew crl` makes a new one"
            : expiry.name == "authority" ? "; make a new authority and let both overlap"
                                         : "; `predictor-certs renew` makes a new one";
    warnings.push_back(text + " (docs/tls.md)");
  }
  return warnings;
}

Failure ServerTls::load(const Settings& settings) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return tls_error("OpenSSL could not be initialised");
  std::vector<Expiry> expiries;
  if (Failure failure = set_protocol(context.get())) return failure;
  if (Failure failure = load_identity(context.get(), settings, expiries)) return failure;
  if (Failure failure = load_authorities(context.get(), authority_file(settings), expiries)) {
    return failure;
  }
  if (settings.is_opengauss_ca && expiries.back().days_left() < 0) {
    return Error{"certificates", "the authority " + expiries.back().file.string() +
                                     " has expired; issue it again: " +
                                     opengauss::reissue_command(settings.ca_dir)};
  }
  const fs::path lists = settings.ca_dir / "ca.crl";
  std::error_code status;
  const bool has_lists = fs::exists(fs::symlink_status(lists, status));
  if (has_lists) {
    if (Failure failure = load_revocation_lists(context.get(), lists, expiries)) return failure;
  }
  require_client_certificate(
      context.get(), settings.is_opengauss_ca ? ClientPurpose::kAny : settings.client_purpose);

  const std::lock_guard lock(mutex_);
  if (context_ && is_opengauss_ca_ != settings.is_opengauss_ca) {
    return Error{"certificates", settings.ca_dir.string() +
                                     " now holds certificates of another kind, which other rules "
                                     "hold for; restart if that is meant"};
  }
  if (!context_ && settings.is_opengauss_ca) {
    log_warning(settings.ca_dir.string() +
                " holds certificates made for openGauss: clients are known by their common names, "
                "and reach openGauss's routes alone");
  }
  is_opengauss_ca_ = settings.is_opengauss_ca;
  const bool had_lists = std::any_of(expiries_.begin(), expiries_.end(), [](const Expiry& expiry) {
    return expiry.name == "revocation_list";
  });
  if (had_lists && !has_lists) {
    return Error{"certificates", "the revocation list " + lists.string() +
                                     " has gone, and without it the revoked would be let in again; "
                                     "put it back, or restart to do without"};
  }
  context_ = context;
  expiries_ = std::move(expiries);
  return std::nullopt;
}

std::shared_ptr<ssl_ctx_st> ServerTls::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

std::string ServerTls::verify_again(ssl_st* connection) const {
  return client_problem(current().get(), connection);
}

std::vector<Expiry> ServerTls::expiries() const {
  const std::lock_guard lock(mutex_);
  return expiries_;
}

}  // namespace predictor::engine
