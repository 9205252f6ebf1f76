// import_facade.cpp - see import_facade.h.
#include "extension/import_facade.h"

#include <cstdio>
#include <memory>
#include <new>

#include "plan/explain_json.h"

struct PredictorImport {
  predictor::ExplainedPlan plan;
  PredictorRecord view{};
};

PredictorImport* predictor_import_open(const char* text, size_t length, uint64_t k0, uint64_t k1,
                                       uint64_t key_id, char* error, size_t error_size) noexcept {
  std::unique_ptr<PredictorImport> import(new (std::nothrow) PredictorImport);
  if (!import) {
    std::snprintf(error, error_size, "out of memory");
    return nullptr;
  }
  predictor::HashingKey key{{k0, k1}, key_id};
  auto status = predictor::read_explain_json({text, length}, import->plan, key);
  if (status != predictor::ExplainStatus::kOk) {
    std::snprintf(error, error_size, "%s", predictor::explain_status_text(status));
    return nullptr;
  }
  import->view = import->plan.record.view();
  return import.release();
}

const PredictorRecord* predictor_import_record(const PredictorImport* import) noexcept {
  return &import->view;
}

void predictor_import_finished_at(PredictorImport* import, int64_t at) noexcept {
  import->view.statement.finished_at = at;
}

void predictor_import_close(PredictorImport* import) noexcept { delete import; }
