// codec.h - plan records as bytes: one versioned binary form for the shared-memory ring, spool
// files and the wire.
//
// A stream is a header and then records, each with its length in front, all little-endian:
//   header: "PGPREDRC", u32 version, u32 reserved (0)
//   record: u32 length of what follows, statement fields, u32 node count, node fields ...
// Fields are written one by one, never as a memory image; what was measured at the nodes is left
// out where statement.instrumentation says that nothing was.
//
// The reader trusts nothing: a length, count, parent or enumeration out of range is an error, and
// no input makes it read outside the buffer or allocate more than the buffer's size warrants.
#ifndef PREDICTOR_PLAN_CODEC_H
#define PREDICTOR_PLAN_CODEC_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/plan_record.h"

namespace predictor {

inline constexpr uint32_t kCodecVersion = 4;
inline constexpr size_t kStreamHeaderSize = 16;

// Bytes that encode_record() will write at most for a plan of so many nodes, length prefix
// included.
size_t encoded_size(int node_count);

// Writes the stream header into kStreamHeaderSize bytes.
void encode_header(std::byte* out);

// Writes one record. Returns the bytes written, or 0 if they do not fit; encoded_size() always do.
size_t encode_record(const PredictorRecord& record, std::span<std::byte> out);

enum class DecodeStatus {
  kOk,
  kBadHeader,  // no stream of ours, or of another version
  kTruncated,  // ends in the middle of a record
  kBadLength,  // the length prefix does not fit the node count
  kBadCount,   // no node, or more than PREDICTOR_MAX_NODES
  kBadNode,    // parent not before its child, operator or enumeration unknown
  kBadNumber,  // an infinity, or a negative where none can be
};

const char* decode_status_text(DecodeStatus status);

DecodeStatus check_header(std::span<const std::byte> in);

// Reads the record at the start of `in` into `statement` and `nodes` (at most `capacity` of them;
// use peek_node_count() to size it). `consumed` gets the bytes read, prefix included.
DecodeStatus decode_record(std::span<const std::byte> in, PredictorStatement& statement,
                           PredictorNode* nodes, int capacity, int& node_count, size_t& consumed);

// The node count of the record at the start of `in`, or -1 if there is no whole record.
int peek_node_count(std::span<const std::byte> in);

// A record that owns its nodes; for the engine and for tests.
struct OwnedRecord {
  PredictorStatement statement{};
  std::vector<PredictorNode> nodes;

  // A view; valid as long as this object and its vector are not changed.
  PredictorRecord view() const {
    return {statement, static_cast<int32_t>(nodes.size()),
            const_cast<PredictorNode*>(nodes.data())};
  }
};

// Same as decode_record() for an owned record.
DecodeStatus decode_owned(std::span<const std::byte> in, OwnedRecord& record, size_t& consumed);

}  // namespace predictor

#endif
