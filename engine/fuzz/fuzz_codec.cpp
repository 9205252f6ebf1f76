// Any bytes as an upload, cut in two anywhere: an error, or records that encode to the same bytes.
#include <cstdlib>
#include <vector>

#include "engine/record_stream.h"

using namespace predictor;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t cut = (data[0] | data[1] << 8) % (size - 1);
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data + 2), size - 2);
  std::vector<std::byte> again(kStreamHeaderSize);
  encode_header(again.data());
  engine::RecordStream stream([&](OwnedRecord& record) {
    const size_t start = again.size();
    again.resize(start + encoded_size(static_cast<int>(record.nodes.size())));
    const size_t size = encode_record(record.view(), std::span(again).subspan(start));
    if (size == 0) std::abort();
    again.resize(start + size);
  });
  const size_t first = std::min(cut, bytes.size());
  engine::Failure failure = stream.feed(bytes.first(first));
  if (!failure) failure = stream.feed(bytes.subspan(first));
  if (!failure) failure = stream.finish();
  if (!failure && !std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  return 0;
}
