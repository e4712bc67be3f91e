// kvorum_etcd_load: loads an etcd with puts over gRPC and prints what it measured as kvorum_load
// does, whose options it takes: a connection is a channel, a pipeline is so many calls at once on
// it. Built where libgrpc++-dev is installed. One thread besides gRPC's own.

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/benchmarks/connection.h"
#include "tests/benchmarks/options.h"
#include "tests/benchmarks/result_json.h"

namespace kvorum::load {
namespace {

// Protocol buffers: a field of bytes with less than 2^14 of them.
void append_bytes_field(std::string& message, char tag, const std::string& bytes) {
  message += tag;
  if (bytes.size() >= 0x80) {
    message += static_cast<char>(0x80 | (bytes.size() & 0x7f));
    message += static_cast<char>(bytes.size() >> 7);
  } else {
    message += static_cast<char>(bytes.size());
  }
  message += bytes;
}

class EtcdLoad {
 public:
  EtcdLoad(const Options& options, const Endpoint& endpoint)
      : options_(options), random_(options.seed), value_(options.value_size, 'x') {
    for (uint64_t i = 0; i < options.connections; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // else all share one connection
      stubs_.push_back(std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(
          endpoint.host + ":" + endpoint.port, grpc::InsecureChannelCredentials(), arguments)));
    }
  }

  // Closed loop: a call that is answered is followed by another one, until the slice is over.
  SliceResult run_slice() {
    SliceResult result;
    result.start_ns = now_ns();
    deadline_ns_ = result.start_ns + static_cast<int64_t>(options_.slice_ms) * 1'000'000;
    for (uint64_t i = 0; i < options_.pipeline; ++i) {
      for (const auto& stub : stubs_) issue(*stub);
    }
    while (outstanding_ > 0) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue_.Next(&tag, &ok)) break;
      finish(result, std::unique_ptr<Call>(static_cast<Call*>(tag)));
    }
    result.elapsed_ns = now_ns() - result.start_ns;
    return result;
  }

  const std::string& first_error() const { return first_error_; }

 private:
  struct Call {
    grpc::GenericStub* stub = nullptr;
    grpc::ClientContext context;
    grpc::ByteBuffer reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
    int64_t start_ns = 0;
  };

  // etcdserverpb.PutRequest: key = 1, value = 2.
  grpc::ByteBuffer next_request() {
    std::string number = std::to_string(random_() % options_.keys);
    std::string key = options_.key_prefix;
    key.append(options_.key_size - options_.key_prefix.size() - number.size(), '0');
    key += number;
    for (size_t i = 0; i < 8 && i < value_.size(); ++i) {
      value_[i] = static_cast<char>('a' + random_() % 26);
    }
    std::string message;
    append_bytes_field(message, 0x0a, key);
    append_bytes_field(message, 0x12, value_);
    const grpc::Slice slice(message);
    return grpc::ByteBuffer(&slice, 1);
  }

  void issue(grpc::GenericStub& stub) {
    auto call = std::make_unique<Call>();
    call->stub = &stub;
    call->start_ns = now_ns();
    call->reader =
        stub.PrepareUnaryCall(&call->context, "/etcdserverpb.KV/Put", next_request(), &queue_);
    call->reader->StartCall();
    Call* tag = call.release();  // the queue gives it back
    tag->reader->Finish(&tag->reply, &tag->status, tag);
    ++outstanding_;
  }

  void finish(SliceResult& result, std::unique_ptr<Call> call) {
    --outstanding_;
    const int64_t now = now_ns();
    ++result.requests;
    result.latency.record(now - call->start_ns);
    if (!call->status.ok()) {
      ++result.errors;
      if (first_error_.empty()) first_error_ = call->status.error_message();
    }
    if (now < deadline_ns_) issue(*call->stub);
  }

  const Options& options_;
  std::mt19937_64 random_;
  std::string value_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::string first_error_;
  uint64_t outstanding_ = 0;
  int64_t deadline_ns_ = 0;
};

int run(const Options& options) {
  std::vector<TargetResult> results;
  for (const Endpoint& target : options.targets) {
    EtcdLoad load(options, target);
    TargetResult& result = results.emplace_back(TargetResult{target.name, "", {}});
    for (uint64_t i = 0; i < options.warmup_slices; ++i) load.run_slice();
    for (uint64_t i = 0; i < options.slices; ++i) result.slices.push_back(load.run_slice());
    result.first_error = load.first_error();
  }
  write_json(stdout, options, results);
  return 0;
}

}  // namespace
}  // namespace kvorum::load

int main(int argc, char** argv) {
  return kvorum::load::run(kvorum::load::parse_options(argc, argv));
}
