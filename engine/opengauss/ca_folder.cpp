#include "engine/opengauss/ca_folder.h"

namespace predictor::engine::opengauss {

namespace fs = std::filesystem;

bool is_ca_folder(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(authority_file(directory), ignored) &&
         !fs::exists(fs::symlink_status(directory / "ca.crt", ignored));
}

fs::path authority_file(const fs::path& directory) { return directory / "demoCA" / "cacert.pem"; }

std::string reissue_command(const fs::path& directory) {
  const std::string folder = directory.string();
  return "cd " + folder +
         " && openssl x509 -req -in demoCA/careq.pem -signkey demoCA/private/cakey.pem -sha256 "
         "-days 3650 -extfile ca_ext.txt -extensions ca_ext -out demoCA/cacert.new && mv "
         "demoCA/cacert.new demoCA/cacert.pem";
}

}  // namespace predictor::engine::opengauss
