// training_process.h - trainings in processes of their own.
//
// The server starts its own program again (`predictord train-worker`) for each training. What a
// training does to memory, to a CUDA context or to its own process cannot harm the server: it ends
// at once when it is told to, whatever it is doing; its memory is bounded and returned; the kernel
// kills it first when memory runs out; and it dies with the server.
//
// The server writes one line of JSON, the task, to the worker's standard input and keeps that pipe
// open: its end tells the worker to stop. The worker answers with lines of JSON on its standard
// output: {"progress":{...}}, and at last {"result":{...}}, {"device":{...}} or {"error":{...}}.
// The trained bundle is in the file that the task names.
#ifndef PREDICTOR_ENGINE_TRAINING_PROCESS_H
#define PREDICTOR_ENGINE_TRAINING_PROCESS_H

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/training.h"

namespace predictor::engine {

struct WorkerOptions {
  std::filesystem::path program = "/proc/self/exe";
  std::filesystem::path directory;  // for bundles on their way to the server
  std::string log_file;             // the worker writes to the server's log
  // How long a device has to answer at first (CUDA may have to compile), doubled each time that it
  // has not: a machine that is short of processors is slow, which is no trouble of the device.
  std::chrono::milliseconds device_patience = std::chrono::minutes(2);
};

std::unique_ptr<Trainer> make_process_trainer(WorkerOptions options);

// The worker's side; here so that both sides of each message stand in one file.
TrainingTask task_from_json(const nlohmann::json& object);
nlohmann::json device_to_json(const DeviceCheck& check);

}  // namespace predictor::engine

#endif
