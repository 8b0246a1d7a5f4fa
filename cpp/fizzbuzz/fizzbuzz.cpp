// A sample module, as somebody might write one for their own cluster. It counts
// as children do, up to a limit that the operator sets:
//
//   GET /fizzbuzz/health         200
//   GET /fizzbuzz/count?n=15     {"n":15,"says":"FizzBuzz"}
//
// Compiled with FIZZBUZZ_CRASH_AFTER, it takes its whole Mesos down that many
// seconds after the start: a bad release, to try a rollback with.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>

#include <mesos/module/anonymous.hpp>

#include <process/future.hpp>
#include <process/http.hpp>
#include <process/process.hpp>

#include <stout/none.hpp>
#include <stout/option.hpp>

using mesos::Parameters;

using mesos::modules::Anonymous;
using mesos::modules::Module;

using process::Future;

using process::http::Request;
using process::http::Response;
using process::http::Status;

using std::map;
using std::string;

// Reads a whole, positive number; zero stands for anything else.
static unsigned long number(const string& text)
{
  if (text.empty() || text.size() > 9 ||
      text.find_first_not_of("0123456789") != string::npos) {
    return 0;
  }

  return std::strtoul(text.c_str(), nullptr, 10);
}


static Response json(uint16_t code, const string& body)
{
  Response response;
  response.code = code;
  response.status = Status::string(code);
  response.type = Response::BODY;
  response.headers["Content-Type"] = "application/json";
  response.body = body;

  return response;
}


static Future<Response> answer(const Response& response)
{
  process::Promise<Response> promise;
  promise.set(Response(response));

  return promise.future();
}


class FizzBuzz : public process::Process<FizzBuzz>
{
public:
  explicit FizzBuzz(unsigned long _limit)
    : ProcessBase("fizzbuzz"), limit(_limit) {}

protected:
  void initialize() override
  {
    const Option<string> help = None();

    route("/health", help, [](const Request&) {
      return answer(json(200, "{\"healthy\":true}"));
    });

    route("/count", help, [this](const Request& request) {
      return answer(count(request));
    });
  }

private:
  Response count(const Request& request) const
  {
    const auto found = request.url.query.find("n");
    const unsigned long n =
      found == request.url.query.end() ? 0 : number(found->second);

    if (n == 0 || n > limit) {
      return json(
          400,
          "{\"error\":\"n must be a number from 1 to " +
            std::to_string(limit) + "\"}");
    }

    string says = n % 3 == 0 ? "Fizz" : "";
    says += n % 5 == 0 ? "Buzz" : "";

    if (says.empty()) {
      says = std::to_string(n);
    }

    return json(
        200, "{\"n\":" + std::to_string(n) + ",\"says\":\"" + says + "\"}");
  }

  const unsigned long limit;
};


// The next length-delimited field of a protobuf message with numbers below 16,
// cut off `bytes`; an empty string at the end or at anything else.
static string field(string* bytes, int* id)
{
  const size_t header = 2;

  if (bytes->size() < header || (bytes->at(0) & 7) != 2) {
    bytes->clear();
    return "";
  }

  // Lengths of up to two bytes: a parameter here is a short word.
  size_t length = bytes->at(1) & 0x7f;
  size_t start = header;

  if ((bytes->at(1) & 0x80) != 0 && bytes->size() > header) {
    length |= static_cast<size_t>(bytes->at(2) & 0x7f) << 7;
    start++;
  }

  *id = bytes->at(0) >> 3;

  const string content =
    bytes->substr(start <= bytes->size() ? start : bytes->size(), length);

  bytes->erase(0, start + length);

  return content;
}


// The parameters as pairs. A module that is compiled against Mesos's own headers
// would ask the message; this one is also compiled without them.
static map<string, string> pairs(const Parameters& parameters)
{
  map<string, string> result;
  string message = parameters.SerializeAsString();

  while (!message.empty()) {
    int id = 0;
    string pair = field(&message, &id);
    string key, value;

    while (!pair.empty()) {
      const string content = field(&pair, &id);
      (id == 1 ? key : value) = content;
    }

    result[key] = value;
  }

  return result;
}


#ifdef FIZZBUZZ_CRASH_AFTER
static void crash()
{
  std::this_thread::sleep_for(std::chrono::seconds(FIZZBUZZ_CRASH_AFTER));

  volatile int* nowhere = nullptr;
  *nowhere = 1;
}
#endif // FIZZBUZZ_CRASH_AFTER


static Anonymous* create(const Parameters& parameters)
{
  const unsigned long limit = number(pairs(parameters)["limit"]);

  process::ProcessBase* fizzbuzz = new FizzBuzz(limit == 0 ? 100 : limit);
  process::spawn(fizzbuzz, true);

#ifdef FIZZBUZZ_CRASH_AFTER
  std::thread(crash).detach();
#endif // FIZZBUZZ_CRASH_AFTER

  return new Anonymous();
}


// Counts, and says Fizz and Buzz where children would.
__attribute__((visibility("default")))
Module<Anonymous> org_example_FizzBuzz(
    MESOS_MODULE_API_VERSION,
    MESOS_VERSION,
    "The authors of dcos-bits",
    "dev@dcos-bits.org",
    "A sample module (/fizzbuzz)",
    nullptr,
    create);
