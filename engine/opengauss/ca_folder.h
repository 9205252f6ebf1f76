// ca_folder.h - a folder of certificates that was made for openGauss's AiEngine, used as it is:
//
//   demoCA/cacert.pem   the authority of both sides
//   server.crt, server.key, server.key.cipher, server.key.rand
//
// Its certificates name neither purposes nor alternative names, so that in this mode any of them
// that the authority has signed is a client's, whose identity is the common name; and such a client
// reaches openGauss's routes and the namespace of its own name, nothing else. The mode is that of
// the whole process: a folder with a ca.crt is none of these, and the strict rules hold.
#ifndef PREDICTOR_ENGINE_OPENGAUSS_CA_FOLDER_H
#define PREDICTOR_ENGINE_OPENGAUSS_CA_FOLDER_H

#include <filesystem>
#include <string>

namespace predictor::engine::opengauss {

bool is_ca_folder(const std::filesystem::path& directory);

std::filesystem::path authority_file(const std::filesystem::path& directory);

// The command that gives the folder's authority, whose original lasts one year while the others
// last ten, a new certificate for the key it has, so that the others stay valid.
std::string reissue_command(const std::filesystem::path& directory);

}  // namespace predictor::engine::opengauss

#endif
