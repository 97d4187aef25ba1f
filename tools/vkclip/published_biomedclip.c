// published_biomedclip.c: the 81 probabilities that BiomedCLIP's authors printed, and by which file
// one knows their weights.
//
// Source: microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224 on Hugging Face,
// biomed_clip_example.ipynb, the printed output of its sixth cell (open_clip 2.23.0, torch 2.1.1);
// size and checksum are those of tools/model_files.txt. The notebook's "Expected outputs" are
// another checkpoint's.
#include "published.h"

const struct published published = {
    .model = "BiomedCLIP",
    .weights_bytes = 783705670,
    .weights_sha256 = "52cc993c5c5ff962bd0c60931874bc001e7e9b41666a385530f4a036294576be",
    .prompt = "this is a photo of ",
    .picture_count = 9,
    .label_count = 9,
    .pictures =
        {
            "squamous_cell_carcinoma_histopathology.jpeg",
            "H_and_E_histopathology.jpg",
            "bone_X-ray.jpg",
            "adenocarcinoma_histopathology.jpg",
            "covid_line_chart.png",
            "IHC_histopathology.jpg",
            "chest_X-ray.jpg",
            "brain_MRI.jpg",
            "pie_chart.png",
        },
    .labels =
        {
            "adenocarcinoma histopathology",
            "brain MRI",
            "covid line chart",
            "squamous cell carcinoma histopathology",
            "immunohistochemistry histopathology",
            "bone X-ray",
            "chest X-ray",
            "pie chart",
            "hematoxylin and eosin histopathology",
        },
    .probabilities =
        {
            {0.00130780938, 5.13531405e-12, 8.32116873e-13, 0.997434676, 3.6757523e-05,
             2.3591565e-14, 1.15623058e-11, 2.50971249e-12, 0.00122072478},
            {0.000149570871, 1.03314387e-05, 4.08365737e-11, 5.23278577e-05, 0.0126326513,
             6.82407801e-07, 1.79387666e-06, 2.45703092e-07, 0.987152398},
            {5.05468911e-09, 4.29432948e-05, 1.24899284e-11, 1.25829668e-11, 2.92535294e-08,
             0.999479115, 2.34782165e-05, 0.000448668201, 5.82065104e-06},
            {0.732262492, 5.75819854e-07, 6.0525509e-09, 0.000109738532, 0.00147634768,
             9.53517043e-10, 3.18773999e-07, 2.93848643e-08, 0.266150445},
            {2.96070102e-08, 5.3405065e-06, 0.999931335, 4.48253013e-06, 4.75886118e-05,
             4.39371973e-07, 4.36253458e-07, 4.12532791e-06, 6.10775714e-06},
            {1.26594587e-05, 0.000644221494, 4.39583792e-09, 8.9440864e-06, 0.997437358,
             7.17615592e-07, 1.77300763e-07, 2.43848657e-08, 0.0018958248},
            {4.07327967e-08, 2.00635782e-07, 4.97250063e-08, 1.98240133e-10, 6.69177922e-08,
             5.67793759e-05, 0.999942064, 7.25750848e-10, 8.00750342e-07},
            {1.93692062e-09, 0.999992251, 3.62034426e-12, 2.3315147e-10, 1.67127803e-06,
             3.74419002e-08, 4.85877694e-09, 1.05525615e-07, 5.94779567e-06},
            {1.04878717e-09, 2.03218309e-09, 2.51760321e-06, 1.55594801e-10, 1.52371229e-07,
             3.29508731e-09, 7.58485807e-09, 0.999997258, 2.97751797e-08},
        },
};
