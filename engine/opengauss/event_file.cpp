#include "engine/opengauss/event_file.h"

#include <array>
#include <chrono>
#include <cstring>

#include "engine/opengauss/crc.h"

namespace predictor::engine::opengauss {
namespace {

constexpr uint32_t kMaskDelta = 0xa282ead8U;  // TensorFlow, lib/hash/crc32c.h: what masking adds

uint32_t masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + kMaskDelta; }

template <class Number>
void put_fixed(std::string& out, Number number) {
  char bytes[sizeof(number)];
  std::memcpy(bytes, &number, sizeof(number));
  out.append(bytes, sizeof(bytes));
}

void put_varint(std::string& out, uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(number | 0x80);
  out += static_cast<char>(number);
}

// Protocol buffers' wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
void put_key(std::string& out, int field, int wire_type) {
  put_varint(out, static_cast<uint64_t>(field << 3 | wire_type));
}

void put_bytes(std::string& out, int field, const std::string& bytes) {
  put_key(out, field, 2);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, 1);
  put_fixed(event, std::chrono::duration<double>(now).count());
  return event;
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> data) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table(0x82f63b78U);
  uint32_t crc = 0xffffffffU;
  for (const std::byte byte : data) {
    crc = kTable[(crc ^ std::to_integer<uint32_t>(byte)) & 0xff] ^ (crc >> 8);
  }
  return crc ^ 0xffffffffU;
}

Result<EventFile> EventFile::create(const std::filesystem::path& directory,
                                    const std::string& name) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  Result<File> file =
      create_file(directory / ("events.out.tfevents." + std::to_string(seconds) + "." + name));
  if (!file) return file.error();
  EventFile events(std::move(file.value()));
  std::string event = event_now();
  put_bytes(event, 3, "brain.Event:2");
  if (Failure failure = events.write_record(event)) return *failure;
  return events;
}

Failure EventFile::add(int64_t step, const Scalars& scalars) {
  std::string event = event_now();
  put_key(event, 2, 0);
  put_varint(event, static_cast<uint64_t>(step));
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    std::string entry;
    put_bytes(entry, 1, tag);
    put_key(entry, 2, 5);
    put_fixed(entry, value);
    put_bytes(summary, 1, entry);
  }
  put_bytes(event, 5, summary);
  return write_record(event);
}

Failure EventFile::write_record(const std::string& content) {
  std::string record;
  put_fixed(record, static_cast<uint64_t>(content.size()));
  put_fixed(record, masked(crc32c(std::as_bytes(std::span(record)))));
  record += content;
  put_fixed(record, masked(crc32c(std::as_bytes(std::span(content)))));
  return file_.write(std::as_bytes(std::span(record)));
}

}  // namespace predictor::engine::opengauss
