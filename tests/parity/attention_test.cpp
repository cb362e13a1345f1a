// Attention of every instruction set: against the scalar specification, which itself is held to a
// plain softmax in double, and bit for bit against itself with other queries beside.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/golden.h"
#include "support/kv_memory.h"
#include "support/matrix.h"

namespace quern {
namespace {

struct Query {
  std::vector<float> q;  // [head_dim]
  uint32_t n_keys = 0;
  uint32_t min_key = 0;
};

struct Options {
  uint32_t kv_head = 0;
  float softcap = 0;
  bool fetch_ahead = true;
  bool names_next = false;  // each partition is told which one comes after it
};

// A state's memory.
struct State {
  std::vector<float> max;
  std::vector<float> sum;
  std::vector<float> out;
  State(size_t n, size_t stride) : max(n), sum(n), out(n * stride, std::nanf("")) {}
  AttentionState view() { return {max.data(), sum.data(), out.data()}; }
};

// All partitions in order, merged and divided: [n_queries][head_dim].
std::vector<std::vector<float>> attend(const KernelTable& table, const test::KvMemory& kv,
                                       const std::vector<Query>& queries, const Options& options) {
  const KvLayer layer = kv.layer();
  const auto n = static_cast<uint32_t>(queries.size());
  std::vector<const float*> q;
  std::vector<uint32_t> n_keys;
  std::vector<uint32_t> min_key;
  std::vector<std::vector<float>> out(n, std::vector<float>(layer.head_dim, std::nanf("")));
  std::vector<float*> out_rows;
  for (uint32_t i = 0; i < n; ++i) {
    q.push_back(queries[i].q.data());
    n_keys.push_back(queries[i].n_keys);
    min_key.push_back(queries[i].min_key);
    out_rows.push_back(out[i].data());
  }
  std::vector<float> scratch(size_t{kAttentionQueries} * kAttentionPartition);
  State total(n, layer.head_stride);
  State part(n, layer.head_stride);
  const uint32_t end = *std::max_element(n_keys.begin(), n_keys.end());
  for (uint32_t first = 0; first < end; first += kAttentionPartition) {
    State& to = first == 0 ? total : part;
    NextKeys next;
    if (options.names_next && first + kAttentionPartition < end) {
      const uint32_t from = first + kAttentionPartition;
      const uint32_t n_next = std::min(end - from, kAttentionPartition);
      next = {kv.blocks() + from / 16, (n_next + 15) / 16, options.kv_head};
    }
    table.attention({.layer = layer,
                     .kv_head = options.kv_head,
                     .blocks = kv.blocks(),
                     .first_key = first,
                     .n_queries = n,
                     .q = q.data(),
                     .n_keys = n_keys.data(),
                     .min_key = min_key.data(),
                     .scale = 1.0F / std::sqrt(static_cast<float>(layer.head_dim)),
                     .softcap = options.softcap,
                     .state = to.view(),
                     .scratch = scratch.data(),
                     .fetch_ahead = options.fetch_ahead,
                     .fetched = options.names_next && first != 0,
                     .next = next});
    if (first != 0) {
      table.attention_merge(total.view(), part.view(), n, layer.head_stride);
    }
  }
  table.attention_finish({total.view(), n, layer.head_dim, layer.head_stride, out_rows.data()});
  return out;
}

// n queries as the heads of one token, or of tokens that follow each other, see them.
std::vector<Query> make_queries(uint32_t n, uint32_t head_dim, uint32_t n_keys) {
  std::vector<Query> queries(n);
  for (uint32_t i = 0; i < n; ++i) {
    queries[i] = {.q = test::random_floats(head_dim, 40 + i, 3.0F),
                  .n_keys = n_keys > i / 2 ? n_keys - i / 2 : 1};
  }
  return queries;
}

// softmax(q . k * scale) . v over the keys as they were given, in double.
std::vector<float> plain_softmax(const test::KvMemory& kv, const Query& query,
                                 const Options& options) {
  const KvLayer layer = kv.layer();
  const size_t token = size_t{layer.n_kv_heads} * layer.head_dim;
  const size_t head = size_t{options.kv_head} * layer.head_dim;
  std::vector<double> out(layer.head_dim, 0.0);
  double sum = 0;
  for (size_t key = query.min_key; key < query.n_keys; ++key) {
    double score = 0;
    for (size_t d = 0; d < layer.head_dim; ++d) {
      score += static_cast<double>(query.q[d]) *
               static_cast<double>(kv.k_floats()[key * token + head + d]);
    }
    score /= std::sqrt(static_cast<double>(layer.head_dim));
    const auto cap = static_cast<double>(options.softcap);
    const double weight = std::exp(cap > 0 ? cap * std::tanh(score / cap) : score);
    sum += weight;
    for (size_t d = 0; d < layer.head_dim; ++d) {
      out[d] += weight * static_cast<double>(kv.v_floats()[key * token + head + d]);
    }
  }
  std::vector<float> result;
  for (const double value : out) {
    result.push_back(static_cast<float>(value / sum));
  }
  return result;
}

constexpr uint32_t kKeyCounts[] = {1, 15, 16, 33, 255, 256, 257, 512, 700};
constexpr uint32_t kHeadDims[] = {8, 64, 80, 128};

class Attention : public testing::TestWithParam<KvDType> {};

void expect_agreement(const KernelTable& table, const test::KvMemory& kv,
                      const std::vector<Query>& queries, const Options& options) {
  const auto want = attend(scalar_kernels(), kv, queries, options);
  const auto got = attend(table, kv, queries, options);
  for (size_t i = 0; i < queries.size(); ++i) {
    EXPECT_LT(test::nmse(got[i], want[i]), 1e-10)
        << table.isa << " query " << i << " of " << queries.size() << ", keys "
        << queries[i].min_key << " to " << queries[i].n_keys << ", head_dim " << queries[i].q.size()
        << ", softcap " << options.softcap;
  }
}

TEST_P(Attention, AgreesWithTheScalarSpecification) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t head_dim : kHeadDims) {
      const test::KvMemory kv(*table, {.dtype = GetParam(), .n_kv_heads = 2, .head_dim = head_dim},
                              700);
      for (uint32_t n = 1; n <= kAttentionQueries; ++n) {
        for (const uint32_t n_keys : kKeyCounts) {
          expect_agreement(*table, kv, make_queries(n, head_dim, n_keys), {.kv_head = n % 2});
        }
      }
    }
  }
}

// The window's start lies inside a block, on a block's edge and beyond a whole partition.
TEST_P(Attention, SlidingWindowsAndSoftcapsAgreeWithTheScalarSpecification) {
  for (const KernelTable* table : test::runnable_tables()) {
    const test::KvMemory kv(*table, {.dtype = GetParam(), .n_kv_heads = 1, .head_dim = 80}, 700);
    for (const uint32_t window : {1U, 16U, 100U, 256U, 400U}) {
      for (const float softcap : {0.0F, 2.0F, 50.0F}) {
        auto queries = make_queries(5, 80, 700);
        for (Query& query : queries) {
          query.min_key = query.n_keys - window;
        }
        expect_agreement(*table, kv, queries, {.softcap = softcap});
      }
    }
  }
}

TEST_P(Attention, GivesAQueryTheSameBitsInEveryTile) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t head_dim : {64U, 80U}) {
      const test::KvMemory kv(*table, {.dtype = GetParam(), .n_kv_heads = 1, .head_dim = head_dim},
                              700);
      auto queries = make_queries(kAttentionQueries, head_dim, 600);
      const uint32_t n_keys[] = {600, 700, 17, 256, 1, 431};
      for (size_t i = 0; i < queries.size(); ++i) {
        queries[i].n_keys = n_keys[i];
        queries[i].min_key = i == 5 ? 300 : 0;
      }
      for (size_t n = 1; n <= queries.size(); ++n) {
        const std::vector<Query> tile(queries.begin(), queries.begin() + static_cast<ptrdiff_t>(n));
        const auto together = attend(*table, kv, tile, {});
        for (size_t i = 0; i < n; ++i) {
          const auto alone = attend(*table, kv, {queries[i]}, {});
          EXPECT_EQ(std::memcmp(alone[0].data(), together[i].data(), head_dim * sizeof(float)), 0)
              << table->isa << " query " << i << " among " << n;
        }
      }
    }
  }
}

TEST_P(Attention, GivesTheSameBitsWhateverIsFetchedAhead) {
  for (const KernelTable* table : test::runnable_tables()) {
    for (const uint32_t head_dim : {64U, 80U, 256U}) {
      const test::KvMemory kv(*table, {.dtype = GetParam(), .n_kv_heads = 2, .head_dim = head_dim},
                              700);
      for (const uint32_t n_keys : {1U, 40U, 256U, 700U}) {
        const auto queries = make_queries(3, head_dim, n_keys);
        const auto plain = attend(*table, kv, queries, {.kv_head = 1, .fetch_ahead = false});
        const auto fetching = attend(*table, kv, queries, {.kv_head = 1});
        const auto following = attend(*table, kv, queries, {.kv_head = 1, .names_next = true});
        EXPECT_EQ(plain, fetching) << table->isa << ' ' << head_dim << ' ' << n_keys;
        EXPECT_EQ(plain, following) << table->isa << ' ' << head_dim << ' ' << n_keys;
      }
    }
  }
}

std::string kv_name(const testing::TestParamInfo<KvDType>& param) {
  constexpr const char* kNames[] = {"F16", "F32", "Q8_0"};
  return kNames[static_cast<size_t>(param.param)];
}
INSTANTIATE_TEST_SUITE_P(EveryKvType, Attention,
                         testing::Values(KvDType::f16, KvDType::f32, KvDType::q8_0), kv_name);

TEST(AttentionInF32, IsTheSoftmaxOfTheScores) {
  for (const KernelTable* table : test::runnable_tables()) {
    const test::KvMemory kv(*table, {.dtype = KvDType::f32, .n_kv_heads = 2, .head_dim = 64}, 600);
    for (const float softcap : {0.0F, 5.0F}) {
      auto queries = make_queries(3, 64, 600);
      queries[1].min_key = 270;
      const Options options{.kv_head = 1, .softcap = softcap};
      const auto got = attend(*table, kv, queries, options);
      for (size_t i = 0; i < queries.size(); ++i) {
        EXPECT_LT(test::nmse(got[i], plain_softmax(kv, queries[i], options)), 1e-10)
            << table->isa << " query " << i;
      }
    }
  }
}

}  // namespace
}  // namespace quern
