// facade.cpp - see facade.h. C++ ends here: no exception leaves, no PostgreSQL header enters.
#include "extension/facade.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "plan/codec.h"
#include "plan/predicate.h"
#include "plan/predict.h"
#include "plan/signature.h"
#include "plan/value.h"

using predictor::PredicateHasher;

static_assert(sizeof(PredicateHasher) <= sizeof(PredictorPredicate));
static_assert(alignof(PredicateHasher) <= alignof(PredictorPredicate));
static_assert(sizeof(PredictorNodePrediction) == sizeof(predictor::NodePrediction));
static_assert(PREDICTOR_STREAM_HEADER_SIZE == predictor::kStreamHeaderSize);

struct PredictorModel {
  predictor::Model model;
};

namespace {

PredicateHasher& hasher(PredictorPredicate* p) { return *reinterpret_cast<PredicateHasher*>(p); }

template <typename Number>
void add_number(PredictorPredicate* p, Number number) noexcept {
  char canonical[predictor::kNumberSize];
  hasher(p).content(PREDICTOR_VALUE_NUMBER, predictor::canonical_number(number, canonical));
}

}  // namespace

void predictor_predicate_init(PredictorPredicate* p, uint64_t k0, uint64_t k1) noexcept {
  new (p) PredicateHasher(predictor::SipKey{k0, k1});
}

void predictor_predicate_begin(PredictorPredicate* p, PredictorRole role) noexcept {
  hasher(p).begin_clause(role);
}

void predictor_predicate_end(PredictorPredicate* p) noexcept { hasher(p).end_clause(); }

void predictor_predicate_word(PredictorPredicate* p, PredictorToken kind,
                              const char* text) noexcept {
  hasher(p).token(kind, std::string_view(text));
}

void predictor_predicate_mark(PredictorPredicate* p, PredictorToken kind,
                              uint64_t number) noexcept {
  hasher(p).token(kind, number);
}

void predictor_predicate_list(PredictorPredicate* p, size_t length) noexcept {
  hasher(p).list(length);
}

void predictor_predicate_content(PredictorPredicate* p, PredictorValue value_class,
                                 const void* bytes, size_t length) noexcept {
  hasher(p).content(value_class, {static_cast<const char*>(bytes), length});
}

void predictor_predicate_decimal(PredictorPredicate* p, const char* text) noexcept {
  add_number(p, std::string_view(text));
}

void predictor_predicate_integer(PredictorPredicate* p, int64_t number) noexcept {
  add_number(p, number);
}

void predictor_predicate_double(PredictorPredicate* p, double number) noexcept {
  add_number(p, number);
}

void predictor_predicate_float(PredictorPredicate* p, float number) noexcept {
  add_number(p, number);
}

void predictor_predicate_result(const PredictorPredicate* p, PredictorNode* node) noexcept {
  reinterpret_cast<const PredicateHasher*>(p)->put_into(*node);
}

uint64_t predictor_identity(const char* schema, const char* name) noexcept {
  return predictor::relation_identity(schema, name);
}

void predictor_sign(PredictorRecord* record) noexcept { predictor::sign(*record); }

void predictor_subplan_signatures(const PredictorRecord* record, uint64_t* out) noexcept {
  predictor::subplan_signatures(*record, out);
}

size_t predictor_encoded_size(int node_count) noexcept {
  return predictor::encoded_size(node_count);
}

size_t predictor_encode(const PredictorRecord* record, void* out, size_t size) noexcept {
  return predictor::encode_record(*record, {static_cast<std::byte*>(out), size});
}

int predictor_peek_node_count(const void* in, size_t size) noexcept {
  return predictor::peek_node_count({static_cast<const std::byte*>(in), size});
}

int predictor_decode(const void* in, size_t size, PredictorStatement* statement,
                     PredictorNode* nodes, int capacity, int* node_count,
                     size_t* consumed) noexcept {
  return static_cast<int>(predictor::decode_record({static_cast<const std::byte*>(in), size},
                                                   *statement, nodes, capacity, *node_count,
                                                   *consumed));
}

const char* predictor_decode_text(int status) noexcept {
  return predictor::decode_status_text(static_cast<predictor::DecodeStatus>(status));
}

void predictor_stream_header(void* out) noexcept {
  predictor::encode_header(static_cast<std::byte*>(out));
}

bool predictor_sha256(const void* data, size_t size, uint8_t* digest) noexcept {
  unsigned length = 0;
  return EVP_Digest(data, size, digest, &length, EVP_sha256(), nullptr) == 1 && length == 32;
}

namespace {

// `open` is one of the ways to open a Model.
template <typename Open>
PredictorModel* open_model(Open open, char* error, size_t error_size) noexcept {
  std::unique_ptr<PredictorModel> handle(new (std::nothrow) PredictorModel);
  if (!handle) {
    std::snprintf(error, error_size, "out of memory");
    return nullptr;
  }
  predictor::BundleStatus status = open(handle->model);
  if (status != predictor::BundleStatus::kOk) {
    std::snprintf(error, error_size, "%s", predictor::bundle_status_text(status));
    return nullptr;
  }
  return handle.release();
}

std::span<const std::byte> bytes_of(const void* bytes, size_t size) {
  return {static_cast<const std::byte*>(bytes), size};
}

}  // namespace

PredictorModel* predictor_model_open(const void* bytes, size_t size, char* error,
                                     size_t error_size) noexcept {
  return open_model(
      [&](predictor::Model& model) { return model.open(bytes_of(bytes, size), predictor_sha256); },
      error, error_size);
}

PredictorModel* predictor_model_attach(const void* bytes, size_t size, char* error,
                                       size_t error_size) noexcept {
  return open_model(
      [&](predictor::Model& model) {
        return predictor::open_without_canary(model, bytes_of(bytes, size));
      },
      error, error_size);
}

uint64_t predictor_model_key_id(const PredictorModel* model) noexcept {
  return model->model.calibration().key_id;
}

void predictor_model_close(PredictorModel* model) noexcept { delete model; }

size_t predictor_model_workspace(const PredictorModel* model, int node_count) noexcept {
  return model->model.workspace_size(node_count);
}

void predictor_model_predict(const PredictorModel* model, const PredictorRecord* record,
                             void* workspace, PredictorNodePrediction* nodes,
                             PredictorPlanPrediction* plan) noexcept {
  predictor::PlanPrediction answer{};
  model->model.predict(*record, workspace, reinterpret_cast<predictor::NodePrediction*>(nodes),
                       answer);
  plan->total_ms = answer.total_ms;
  plan->low_ms = answer.low_ms;
  plan->high_ms = answer.high_ms;
  plan->rows = answer.rows;
  plan->memory_kb = answer.memory_kb;
  plan->source = static_cast<uint8_t>(answer.source);
  plan->out_of_distribution = answer.out_of_distribution;
  plan->strangeness = answer.strangeness;
}

const char* predictor_source_text(int source) noexcept {
  return predictor::source_text(static_cast<predictor::Source>(source));
}
