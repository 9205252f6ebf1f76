#include "engine/model/checkpoint.h"

#include <sstream>

namespace predictor::engine {
namespace {

using torch::Tensor;

constexpr int64_t kFormatVersion = 1;

std::string tensor_key(size_t i) { return "tensor" + std::to_string(i); }

Tensor to_tensor(const std::vector<double*>& numbers) {
  Tensor all = torch::empty({static_cast<int64_t>(numbers.size())}, torch::kFloat64);
  for (size_t i = 0; i < numbers.size(); i++) all.data_ptr<double>()[i] = *numbers[i];
  return all;
}

bool have_same_form(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type();
}

std::string text_of(torch::serialize::InputArchive& archive, const char* key) {
  c10::IValue value;
  return archive.try_read(key, value) && value.isString() ? value.toStringRef() : std::string();
}

Tensor tensor_of(torch::serialize::InputArchive& archive, const std::string& key) {
  Tensor tensor;
  archive.try_read(key, tensor);
  return tensor;
}

}  // namespace

std::vector<std::byte> save_loop(const LoopState& state, const std::string& fingerprint) {
  torch::NoGradGuard no_grad;
  torch::serialize::OutputArchive archive, optimizer;
  archive.write("format", c10::IValue(kFormatVersion));
  archive.write("fingerprint", c10::IValue(fingerprint));
  std::ostringstream random;
  random << *state.random;
  archive.write("random", c10::IValue(random.str()));
  archive.write("generator", state.generator.get_state());
  archive.write("numbers", to_tensor(state.numbers));
  for (size_t i = 0; i < state.tensors.size(); i++)
    archive.write(tensor_key(i), state.tensors[i].detach().to(torch::kCPU));
  state.optimizer->save(optimizer);
  archive.write("optimizer", optimizer);
  std::ostringstream stream;
  archive.save_to(stream);
  const std::string text = stream.str();
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {bytes, bytes + text.size()};
}

bool restore_loop(LoopState& state, const std::string& fingerprint,
                  std::span<const std::byte> bytes) {
  torch::NoGradGuard no_grad;
  try {
    torch::serialize::InputArchive archive, optimizer;
    archive.load_from(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    c10::IValue format;
    if (!archive.try_read("format", format) || !format.isInt() || format.toInt() != kFormatVersion)
      return false;
    if (text_of(archive, "fingerprint") != fingerprint) return false;
    std::mt19937_64 random;
    std::istringstream random_text(text_of(archive, "random"));
    if (!(random_text >> random)) return false;
    const Tensor generator = tensor_of(archive, "generator");
    const Tensor numbers = tensor_of(archive, "numbers");
    if (!generator.defined() || !numbers.defined() ||
        !have_same_form(numbers, to_tensor(state.numbers)))
      return false;
    std::vector<Tensor> tensors;
    for (size_t i = 0; i < state.tensors.size(); i++) {
      tensors.push_back(tensor_of(archive, tensor_key(i)));
      if (!tensors[i].defined() || !have_same_form(tensors[i], state.tensors[i])) return false;
    }
    if (!archive.try_read("optimizer", optimizer)) return false;
    state.optimizer->load(optimizer);
    state.generator.set_state(generator);
    *state.random = random;
    for (size_t i = 0; i < tensors.size(); i++) state.tensors[i].copy_(tensors[i]);
    for (size_t i = 0; i < state.numbers.size(); i++)
      *state.numbers[i] = numbers.data_ptr<double>()[i];
    return true;
  } catch (const std::exception&) {
    state.optimizer->state().clear();  // it may have been read in part
    return false;
  }
}

}  // namespace predictor::engine
